"""Calibration and risk-coverage, against the definition computed the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.data.annotate.calibrate import ece
from luthier.evaluate.scorers.confidence import (
    aurc,
    calibration_error,
    reliability,
    risk_coverage,
)

RANDOM = np.random.default_rng(5)
SURE = RANDOM.integers(1, 101, 120) / 100
RIGHT = RANDOM.random(120) < SURE
ONCE = np.ones((1, 120))


def test_the_calibration_error_is_that_of_a_classifier() -> None:
    assert calibration_error(SURE, RIGHT)(ONCE)[0] == pytest.approx(ece(SURE, RIGHT), abs=1e-12)
    certain, all_wrong = np.ones(120), np.zeros(120, dtype=bool)
    assert calibration_error(certain, all_wrong)(ONCE)[0] == 1.0


def test_a_reliability_plot() -> None:
    bins = reliability(np.array([0.05, 0.92, 0.98, 1.0]), np.array([False, True, True, False]))
    assert [one.n for one in bins] == [1, 3]
    assert bins[1].accuracy == pytest.approx(2 / 3)
    assert bins[1].confidence == pytest.approx((0.92 + 0.98 + 1) / 3)
    assert bins[1].low < 2 / 3 < bins[1].high < 1
    both = reliability(SURE, RIGHT)
    gap = sum(one.n * abs(one.accuracy - one.confidence) for one in both) / 120
    assert gap == pytest.approx(ece(SURE, RIGHT))


def test_the_area_is_the_mean_over_all_orders_of_equally_sure_answers() -> None:
    sure, right = np.array([0.9, 0.5, 0.5]), np.array([True, False, True])
    first = np.mean([0, 1 / 2, 1 / 3])
    second = np.mean([0, 0, 1 / 3])
    assert aurc(sure, right)(np.ones((1, 3)))[0] == pytest.approx((first + second) / 2)
    drawn = []
    for seed in range(400):
        shuffled = np.random.default_rng(seed).permutation(120)
        order = shuffled[np.argsort(-SURE[shuffled], kind="stable")]
        drawn.append((np.cumsum(~RIGHT[order]) / np.arange(1, 121)).mean())
    assert aurc(SURE, RIGHT)(ONCE)[0] == pytest.approx(np.mean(drawn), abs=0.002)


def test_an_item_that_counts_twice_stands_there_twice() -> None:
    times = RANDOM.integers(0, 3, 120)
    twice = aurc(np.repeat(SURE, times), np.repeat(RIGHT, times))(np.ones((1, times.sum())))[0]
    assert aurc(SURE, RIGHT)(times[None].astype(float))[0] == pytest.approx(twice, abs=1e-12)


def test_a_risk_coverage_curve_ends_with_all_answers() -> None:
    curve = risk_coverage(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False]))
    assert [(p.coverage, p.risk, p.confidence) for p in curve] == [
        (0.25, 0.0, 0.9), (0.75, 1 / 3, 0.5), (1.0, 0.5, 0.1),
    ]  # fmt: skip
    assert len(risk_coverage(RANDOM.random(5000), RANDOM.random(5000) > 0.5)) == 200
