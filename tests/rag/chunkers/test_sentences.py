"""A few sentences are found, and those around them are shown."""

from __future__ import annotations

from chunk_checks import word_offsets

from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers.sentences import SentenceChunks, fitting_sentences, sentence_windows

TEXT = "One is. Two is. Three is. Four is. Five is."


def cut(sentences: int, around: int, size: int = 50) -> list[tuple[str, str]]:
    measure = Measure(TEXT, word_offsets)
    found = sentence_windows(measure, sentences=sentences, around=around, size=size)
    return [(TEXT[o.start : o.end], TEXT[slice(*o.context[0])]) for o in found]


def test_each_has_its_neighbours_around_it() -> None:
    assert cut(1, 1) == [
        ("One is.", "One is. Two is."),
        ("Two is.", "One is. Two is. Three is."),
        ("Three is.", "Two is. Three is. Four is."),
        ("Four is.", "Three is. Four is. Five is."),
        ("Five is.", "Four is. Five is."),
    ]


def test_several_are_one_passage() -> None:
    assert cut(2, 0) == [
        ("One is. Two is.", "One is. Two is."),
        ("Three is. Four is.", "Three is. Four is."),
        ("Five is.", "Five is."),
    ]


def test_fewer_are_where_they_do_not_fit() -> None:
    assert [found for found, _ in cut(3, 0, size=6)] == [
        "One is. Two is.",
        "Three is. Four is.",
        "Five is.",
    ]


def test_a_sentence_too_long_is_cut() -> None:
    text = "one two three four five six. Seven."
    measure = Measure(text, word_offsets)
    found = fitting_sentences(measure, 0, len(text), 4)
    assert [text[a:b] for a, b in found] == ["one two three four", "five six.", "Seven."]


def test_settings() -> None:
    assert (SentenceChunks().sentences, SentenceChunks().around) == (2, 2)
