"""Tokens are counted as the tokenizer counts them, in bounded windows."""

from __future__ import annotations

import re

import pytest
from chunk_checks import moody_offsets, texts, word_offsets
from hypothesis import given

from luthier.rag.chunkers import _measure
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers.tokens import token_spans


@given(texts)
def test_starts_are_those_of_the_tokens(text: str) -> None:
    measure = Measure(text, word_offsets)
    assert measure.starts.tolist() == [start for start, _ in word_offsets(text)]
    assert measure.count(0, len(text)) == len(word_offsets(text))


def test_windows_end_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "some words of tea and " * 30
    whole = Measure(text, word_offsets).starts.tolist()
    monkeypatch.setattr(_measure, "WINDOW_CHARS", 50)
    windows: list[str] = []

    def offsets(part: str) -> list[tuple[int, int]]:
        windows.append(part)
        return word_offsets(part)

    assert Measure(text, offsets).starts.tolist() == whole
    assert "".join(windows) == text
    assert max(map(len, windows)) <= 50
    assert all(part.startswith(" ") for part in windows[1:])


def test_a_word_longer_than_a_window_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_measure, "WINDOW_CHARS", 10)
    assert len(Measure("x" * 25, word_offsets).starts) == 5


def test_a_slice_within_a_word_is_counted_anew() -> None:
    text = "a " + "x" * 13 + " b"
    measure = Measure(text, moody_offsets)
    assert measure.count(2, 12) == 1
    assert measure.excess(2, 12, 4) == 1  # ten letters alone are five tokens
    assert measure.fits(2, 15, 4)


def test_white_space_around_a_slice_is_left_out() -> None:
    measure = Measure("  a b \n\n ", word_offsets)
    assert measure.stripped(0, 9) == (2, 5)
    left, right = measure.stripped(5, 9)
    assert left == right


def test_a_word_that_the_tokenizer_does_not_know_is_cut_all_the_same() -> None:
    def unknown(text: str) -> list[tuple[int, int]]:
        return [(m.start(), m.end()) for m in re.finditer(r"\S+", text)]

    text = "ab " + "x" * 300_000 + " cd"
    measure = Measure(text, unknown)
    spans = list(token_spans(measure, 0, len(text), size=32, overlap=0))
    assert max(s.end - s.start for s in spans) <= 32 * 8 + 8
    assert "".join(text[s.start : s.end] for s in spans).replace(" ", "") == text.replace(" ", "")
    assert len(Measure("a" * 100 + " b", unknown).starts) == 2
