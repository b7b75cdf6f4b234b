"""Misspelt words."""

from __future__ import annotations

import random

import pytest

from luthier.data.augment._pieces import pieces
from luthier.data.augment.characters import (
    KEYS_BESIDE,
    CharacterEdit,
    CharactersAugmenter,
    misspell,
    misspelt,
)


def test_keys_beside_are_beside_each_other() -> None:
    assert set(KEYS_BESIDE) == set("abcdefghijklmnopqrstuvwxyz")
    for key, beside in KEYS_BESIDE.items():
        assert key not in beside
        assert all(key in KEYS_BESIDE[other] for other in beside), key


@pytest.mark.parametrize(
    ("edit", "length"), [("typo", 0), ("swap", 0), ("delete", -1), ("insert", 1)]
)
def test_edits(edit: CharacterEdit, length: int) -> None:
    for turn in range(40):
        made = misspell("Transfer", edit, random.Random(turn))
        assert made is not None
        assert made[0] == "T"
        assert made != "Transfer"
        assert len(made) == 8 + length
        if edit == "swap":
            assert sorted(made) == sorted("Transfer")
        if edit == "typo":
            ((old, new),) = [(a, b) for a, b in zip("Transfer", made, strict=True) if a != b]
            assert new in KEYS_BESIDE[old]


def test_ocr_confuses_shapes_of_several_letters() -> None:
    made = {misspell("corner", "ocr", random.Random(turn)) for turn in range(60)}
    assert {"comer", "c0rner"} <= made


def test_words_without_a_place_are_left() -> None:
    assert misspell("xx", "swap", random.Random(0)) is None
    assert misspell("ax", "ocr", random.Random(0)) is None


def test_rate_and_shortest_word() -> None:
    text = "please transfer some money from checking to my savings account now"
    few = misspelt(text, CharactersAugmenter(rate=0.15), 3, 0)
    many = misspelt(text, CharactersAugmenter(rate=1.0, edits=("delete",)), 1, 0)
    assert len(few) == 3
    assert all(_changed(text, one) == 1 for one in few)
    assert _changed(text, many[0]) == 8  # all but "to", "my", "now"
    assert misspelt("to my", CharactersAugmenter(), 3, 0) == []


def test_seed_decides() -> None:
    text = "please transfer some money"
    spec = CharactersAugmenter()
    assert misspelt(text, spec, 2, 1) == misspelt(text, spec, 2, 1) != misspelt(text, spec, 2, 2)


def _changed(old: str, new: str) -> int:
    pairs = zip(pieces(old), pieces(new), strict=True)
    return sum(a.text != b.text for a, b in pairs)
