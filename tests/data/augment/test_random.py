"""Chance that follows from its parts alone."""

from __future__ import annotations

from luthier.data.augment._random import distinct, number_for, random_for


def test_the_same_parts_give_the_same_numbers() -> None:
    assert random_for(1, "a").random() == random_for(1, "a").random()
    assert random_for(1, "a").random() != random_for(2, "a").random()
    assert number_for("ab", "c") != number_for("a", "bc")
    assert number_for(0, "a row") == 16609196710484327668  # the same in every process


def test_distinct_texts_differ_from_each_other_and_from_the_first() -> None:
    made = distinct(lambda chance: chance.choice("abc"), "a", 5, 0)
    assert sorted(made) == ["b", "c"]
    assert distinct(lambda _: None, "a", 5, 0) == []
    assert distinct(lambda _: "  ", "a", 5, 0) == []
