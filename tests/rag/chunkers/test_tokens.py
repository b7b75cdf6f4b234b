"""Passages of equal length end at good borders, or exactly where they are told to."""

from __future__ import annotations

import pytest
from chunk_checks import byte_offsets, moody_offsets, word_offsets
from pydantic import ValidationError

from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers.tokens import TokenChunks, token_spans


def cut(text: str, size: int, overlap: int = 0, **more: object) -> list[str]:
    measure = Measure(text, word_offsets)
    spans = token_spans(measure, 0, len(text), size=size, overlap=overlap, **more)  # type: ignore[arg-type]
    return [text[one.start : one.end] for one in spans]


def test_a_border_is_kept_to_unless_told_otherwise() -> None:
    text = "one two. three four five six"
    assert cut(text, 4) == ["one two.", "three four five six"]
    assert cut(text, 4, at="token") == ["one two. three", "four five six"]
    assert cut("abcdefghijkl", 1, at="token") == ["abcde", "fghij", "kl"]


def test_overlap_is_of_whole_words() -> None:
    assert cut("a b c d e f g", 4, 1) == ["a b c d", "d e f g"]


def test_a_slice_of_the_text_can_be_cut_alone() -> None:
    measure = Measure("a b c d e f", word_offsets)
    spans = token_spans(measure, 4, 9, size=2, overlap=0)
    assert [(one.start, one.end) for one in spans] == [(4, 7), (8, 9)]


def test_signs_that_are_no_token_are_kept() -> None:
    text = "a b. \x00\x01 c d e"
    assert "\x00\x01" in " ".join(cut(text, 3))


def test_what_grows_when_it_is_cut_is_cut_shorter() -> None:
    text = "y" * 41 + " " + "x" * 40
    measure = Measure(text, moody_offsets)
    for one in token_spans(measure, 0, len(text), size=5, overlap=0):
        assert len(moody_offsets(text[one.start : one.end])) <= 5


def test_several_tokens_in_one_character_come_to_an_end() -> None:
    text = "😀😀 😀"
    measure = Measure(text, byte_offsets)
    spans = list(token_spans(measure, 0, len(text), size=3, overlap=0))
    assert [(one.start, one.end) for one in spans] == [(0, 1), (1, 2), (3, 4)]


def test_overlap_must_be_small() -> None:
    assert TokenChunks() == TokenChunks(chunk_size=160, chunk_overlap=32, at="border")
    with pytest.raises(ValidationError, match="less than half"):
        TokenChunks(chunk_size=32, chunk_overlap=16)
