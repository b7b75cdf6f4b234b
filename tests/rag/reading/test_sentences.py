"""Sentences end where a reader would say, and a stream is cut as the whole text is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from luthier.rag.reading.sentences import Segmenter, segments, sentences


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. No met J. K. Li in St. Ives. Go.", ["Dr. No met J. K. Li in St. Ives.", "Go."]),
        ("Pi is 3.14 or so. It is.", ["Pi is 3.14 or so.", "It is."]),
        ("It is so. [1] And so. [2, 3] End", ["It is so. [1]", "And so. [2, 3]", "End"]),
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("a line\n\n- another\nlast", ["a line", "- another", "last"]),
        ("Wait... what? no.", ["Wait... what? no."]),
        ("これは本です。はい！ いいえ", ["これは本です。", "はい！", "いいえ"]),
        ("See e.g. Newton. Then stop.", ["See e.g. Newton.", "Then stop."]),
        ("  ", []),
        ("", []),
    ],
)  # fmt: skip
def test_where_sentences_end(text: str, wanted: list[str]) -> None:
    assert [text[a:b] for a, b in sentences(text)] == wanted


TEXTS = st.text(alphabet="aB1 .!?[],\n\"')。", max_size=40)


@given(TEXTS)
def test_nothing_is_lost(text: str) -> None:
    assert "".join(text[a:b] for a, b in segments(text)) == text


@given(TEXTS, st.lists(st.integers(0, 40), max_size=6))
def test_a_stream_is_cut_as_the_whole(text: str, cuts: list[int]) -> None:
    cutter, told = Segmenter(), []
    places = sorted({0, len(text), *(min(c, len(text)) for c in cuts)})
    for start, end in itertools.pairwise(places):
        told += cutter.feed(text[start:end])
    assert told + cutter.end() == [text[a:b] for a, b in segments(text)]


def test_a_sentence_leaves_as_soon_as_the_next_begins() -> None:
    cutter = Segmenter()
    assert cutter.feed("It is so. ") == []
    assert cutter.feed("[") == []
    assert cutter.feed("1] A") == ["It is so. [1] "]
    assert cutter.end() == ["A"]


@pytest.mark.parametrize("sign", [".", " ", "\n", "!?", ". .", "[1]", "。"])
def test_long_runs_of_one_sign_are_cut_at_once(sign: str) -> None:
    text = sign * (100_000 // len(sign))
    assert "".join(text[a:b] for a, b in segments(text)) == text
