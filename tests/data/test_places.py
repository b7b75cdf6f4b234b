"""Places: drawn shares hold at every length, and folds come round evenly."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from luthier.data._places import exact, fold_drawn, is_drawn, place_of


@given(share=st.integers(1, 99), seed=st.integers(0, 5), length=st.integers(0, 150))
def test_every_beginning_holds_its_share(share: int, seed: int, length: int) -> None:
    part = exact(share / 100)
    drawn = sum(is_drawn(n, part, seed, "a") for n in range(length))
    wanted = length * part
    assert math.floor(wanted) <= drawn <= math.floor(wanted) + 1
    if wanted.denominator == 1:
        assert drawn == wanted


def test_shares_are_taken_as_written() -> None:
    assert sum(is_drawn(n, exact(0.29), 0, "a") for n in range(100)) == 29
    assert not any(is_drawn(n, exact(0.0), 0, "a") for n in range(50))


def test_which_place_is_drawn_depends_on_seed_and_name_and_is_even() -> None:
    fifth = exact(0.2)
    drawn = {
        (seed, name): tuple(n for n in range(50) if is_drawn(n, fifth, seed, name))
        for seed in range(40)
        for name in "ab"
    }
    assert len(set(drawn.values())) == 80
    places = Counter(n % 5 for found in drawn.values() for n in found)
    assert min(places.values()) > 0.75 * max(places.values())


@given(folds=st.integers(2, 12), seed=st.integers(0, 5), length=st.integers(0, 60))
def test_folds_differ_by_one_at_most(folds: int, seed: int, length: int) -> None:
    counts = Counter(dict.fromkeys(range(folds), 0))
    counts.update(fold_drawn(n, folds, seed, "a") for n in range(length))
    assert set(counts) == set(range(folds))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_places_are_even() -> None:
    places = [place_of(3, f"group {n}") for n in range(5000)]
    assert sum(places) / 5000 == pytest.approx(0.5, abs=0.02)
    assert 0 <= min(places) < max(places) < 1
    assert place_of(3, "a", "b") != place_of(3, "ab")
