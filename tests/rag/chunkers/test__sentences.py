"""Sentences end where a reader would end them."""

from __future__ import annotations

import pytest
from chunk_checks import texts
from hypothesis import given

from luthier.rag.chunkers import _sentences
from luthier.rag.chunkers._sentences import sentence_spans


def said(text: str) -> list[str]:
    return [text[a:b] for a, b in sentence_spans(text)]


def test_abbreviations_end_no_sentence() -> None:
    assert said('Mr. Li drinks 2.5 l of tea. "Hot!" he says. So?') == [
        "Mr. Li drinks 2.5 l of tea.",
        '"Hot!"',
        "he says.",
        "So?",
    ]


def test_a_wrapped_line_goes_on_and_a_short_one_ends() -> None:
    text = (
        "The leaves of the plant are picked by hand in\nspring. They are steamed.\n"
        "Prices\n- green: 5\n- black: 3\nSencha | 5\nGyokuro | 9"
    )
    assert said(text) == [
        "The leaves of the plant are picked by hand in\nspring.",
        "They are steamed.",
        "Prices",
        "- green: 5",
        "- black: 3",
        "Sencha | 5",
        "Gyokuro | 9",
    ]


def test_sentences_without_spaces_between_are_told_apart() -> None:
    assert said("茶は熱い。緑です！はい") == ["茶は熱い。", "緑です！", "はい"]


def test_a_long_text_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Tea is hot. It is green.\n\n" * 50
    whole = said(text)
    monkeypatch.setattr(_sentences, "_WINDOW_CHARS", 100)
    assert said(text) == whole


@given(texts)
def test_sentences_hold_everything_in_order(text: str) -> None:
    place = 0
    for start, end in sentence_spans(text):
        assert place <= start < end
        assert not text[place:start].strip()
        assert text[start:end] == text[start:end].strip()
        place = end
    assert not text[place:].strip()
