"""Paired differences over seeds, held to scipy's own paired t test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from luthier.tune._confirm import verdict


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0, -2.0])
def test_the_interval_is_that_of_the_paired_t_test(shift: float) -> None:
    draw = np.random.default_rng(3)
    best, base = draw.normal(shift, 0.3, 5), draw.normal(0, 0.3, 5)
    found = verdict(list(best - base))
    wanted = stats.ttest_rel(best, base).confidence_interval(0.95)
    assert found["gain"]["low"] == pytest.approx(wanted.low)
    assert found["gain"]["high"] == pytest.approx(wanted.high)


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ([1.0, 1.1, 0.9], "better"),
        ([-1.0, -1.1, -0.9], "worse"),
        ([1.0, -1.0, 0.5], "cannot tell apart"),
        ([1.0], "not confirmed"),
        ([], "not confirmed"),
    ],
)
def test_what_is_said(gains: list[float], said: str) -> None:
    assert verdict(gains)["verdict"] == said


@pytest.mark.parametrize(
    ("default", "best", "said"),
    [(1, 0, "default fails"), (0, 1, "best fails"), (2, 2, "best fails"), (3, 2, "default fails")],
)
def test_settings_whose_runs_fail_more_often_are_not_better(
    default: int, best: int, said: str
) -> None:
    found = verdict([1.0, 1.1, 0.9], default=default, best=best)
    assert found["verdict"] == said
    assert found["gain"] == verdict([1.0, 1.1, 0.9])["gain"]


def test_false_alarms_are_as_rare_as_promised() -> None:
    draw = np.random.default_rng(0)
    said = [verdict(list(draw.normal(size=3)))["verdict"] for _ in range(2000)]
    wrong = sum(s != "cannot tell apart" for s in said) / len(said)
    assert wrong == pytest.approx(0.05, abs=0.015)
