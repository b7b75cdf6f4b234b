"""Learning rates against values worked out by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from luthier.setup.schedules import ScheduleKind, factor


@pytest.mark.parametrize("kind", get_args(ScheduleKind))
def test_warm_up_rises_in_a_line_to_the_peak(kind: ScheduleKind) -> None:
    values = [factor(kind, s, 100, warmup_steps=4) for s in range(5)]
    assert values[:4] == [0.25, 0.5, 0.75, 1.0]
    assert values[4] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [1.0, 0.75, 0.5, 0.25, 0.1]),
        (
            "cosine",
            [
                1.0,
                0.5 + math.sqrt(0.125),
                0.5,
                0.5 - math.sqrt(0.125),
                (1 - math.cos(math.pi / 10)) / 2,
            ],
        ),
        ("wsd", [1.0, 1.0, 1.0, 1.0, 0.5]),
    ],
)
def test_decay_by_hand(kind: ScheduleKind, expected: list[float]) -> None:
    # 10 steps of warm-up, then 100: measured after 0, 25, 50, 75 and 90 of them
    values = [factor(kind, 10 + s, 110, warmup_steps=10) for s in (0, 25, 50, 75, 90)]
    assert values == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["linear", "cosine", "wsd"])
def test_decay_ends_at_the_floor(kind: ScheduleKind) -> None:
    assert factor(kind, 100, 100, warmup_steps=0, floor=0.2) == pytest.approx(0.2)
    assert factor(kind, 99, 100, warmup_steps=0) > 0
    values = [factor(kind, s, 100, warmup_steps=0) for s in range(100)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("kind", get_args(ScheduleKind))
def test_a_run_of_one_step(kind: ScheduleKind) -> None:
    assert factor(kind, 0, 1, warmup_steps=1) == 1.0
    assert factor(kind, 0, 1, warmup_steps=0) == 1.0
