"""Whether common advice holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from luthier.core.statistics import Interval
from luthier.evaluate.decision.lessons import Figures, Lesson, lessons

GROUPS = [str(i) for i in range(40)]
FIGURES = Figures(
    retrieving="rag",
    tuned="tuned",
    untuned="base",
    values={
        "unsupported": {"rag": [0.0] * 40, "tuned": [1.0] * 30 + [0.0] * 8 + [None] * 2},
        "in form": {"tuned": [1.0] * 40, "base": [1.0] * 40},
        "sourced": {"rag": [0.0] * 40, "tuned": [1.0] * 40},
    },
    groups=GROUPS,
    stale={"rag": (0.1, 50), "tuned": (0.6, 50)},
    rows=300,
    curve=Interval(0.05, 0.01, 0.09, 40),
    margin=0.02,
)


def held(**more: Any) -> list[Lesson]:
    return list(lessons(dataclasses.replace(FIGURES, **more), 1000, 0))


def test_each_as_it_was_measured() -> None:
    fresh, made_up, form, size, source = held()
    assert [one.held for one in (fresh, made_up, form, size, source)] == [
        "holds here", "holds here", "cannot tell", "holds here", "does not hold here",
    ]  # fmt: skip
    assert "tuned gives the old answer to 60% of 50 changed facts" in fresh.measured
    assert "tuned has 79%" in made_up.measured
    assert "more would help" in size.measured


@pytest.mark.parametrize(
    ("curve", "wanted"),
    [
        (Interval(0.0, -0.01, 0.01, 40), "does not hold here"),
        (Interval(0.02, -0.02, 0.06, 40), "cannot tell"),
        (None, "not measured"),
    ],
)
def test_the_curve_decides_on_labels(curve: Interval | None, wanted: str) -> None:
    assert held(curve=curve)[3].held == wanted


def test_nobody_to_compare() -> None:
    found = held(tuned="", stale={})
    assert {one.held for one in found} == {"not measured"}


def test_two_stale_answers_are_no_proof() -> None:
    assert held(stale={"rag": (0.0, 50), "tuned": (0.04, 50)})[0].held == "cannot tell"
