"""What is asked of a range, what a grid takes of it, and spaces that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from luthier.core.space import Dimension, points, probes, suggest


@pytest.mark.parametrize(
    ("dimension", "wanted"),
    [
        (Dimension(choices=("a", "b")), ["a", "b"]),
        (Dimension(low=0.0, high=1.0, steps=3), [0.0, 0.5, 1.0]),
        (Dimension(low=0.01, high=1.0, log=True, steps=3), [0.01, 0.1, 1.0]),
        (Dimension(low=4.0, high=64.0, log=True, integer=True, steps=5), [4, 8, 16, 32, 64]),
        (Dimension(low=1.0, high=2.0, integer=True, steps=4), [1, 2]),
    ],
)
def test_points_of_a_grid(dimension: Dimension, wanted: list[object]) -> None:
    assert points(dimension) == pytest.approx(wanted) if wanted[0] != "a" else wanted
    assert [type(p) for p in points(dimension)] == [type(w) for w in wanted]


def test_the_ends_of_a_range_are_probed() -> None:
    assert probes(Dimension(low=1.0, high=8.0, integer=True)) == [1, 8]
    assert probes(Dimension(choices=(True, False))) == [True, False]


class _Trial:
    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        return (name, "of", choices)

    def suggest_int(self, name: str, low: int, high: int, log: bool) -> Any:
        return (name, "int", low, high, log)

    def suggest_float(self, name: str, low: float, high: float, log: bool) -> Any:
        return (name, "float", low, high, log)


def test_a_trial_is_asked_for_the_kind_of_value() -> None:
    trial = _Trial()
    assert suggest(trial, "a", Dimension(choices=(1, "b"))) == ("a", "of", [1, "b"])
    assert suggest(trial, "a", Dimension(low=1, high=9, integer=True)) == ("a", "int", 1, 9, False)
    assert suggest(trial, "a", Dimension(low=0.1, high=9, log=True)) == ("a", "float", 0.1, 9, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"low": 1.0},
        {"low": 1.0, "high": 2.0, "choices": (1,)},
        {"low": 2.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "log": True},
    ],
)
def test_a_space_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Dimension(**wrong)
