"""Figures over items have intervals that keep groups together."""

from __future__ import annotations

import numpy as np

from luthier.core.statistics import Floats, bootstrap_mean
from luthier.evaluate.scorers.resampled import resampled


def test_the_mean_has_the_interval_of_the_bootstrap() -> None:
    values = np.random.default_rng(0).random(200)
    groups = [str(i // 4) for i in range(200)]

    def weighed(weights: Floats) -> Floats:
        found: Floats = (weights @ values) / weights.sum(axis=1)
        return found

    found = resampled(weighed, groups, draws=4000)
    other = bootstrap_mean(values, groups=groups)
    assert abs(found.mean - other.mean) < 1e-12
    assert abs(found.low - other.low) < 0.004
    assert abs(found.high - other.high) < 0.004
    assert found.n == 200


def test_groups_widen_it_and_few_groups_are_not_drawn() -> None:
    values = np.repeat([0.0, 1.0] * 10, 10)

    def weighed(weights: Floats) -> Floats:
        found: Floats = (weights @ values) / weights.sum(axis=1)
        return found

    single = resampled(weighed, [str(i) for i in range(200)])
    grouped = resampled(weighed, [str(i // 10) for i in range(200)])
    few = resampled(weighed, [str(i // 100) for i in range(200)])
    assert grouped.high - grouped.low > 2 * (single.high - single.low)
    assert abs((few.high - few.low) - (single.high - single.low)) < 0.01


def test_draws_that_say_nothing_are_passed_over() -> None:
    def weighed(weights: Floats) -> Floats:
        return np.where(weights[:, 0] > 0, 0.5, np.nan)

    found = resampled(weighed, [str(i) for i in range(10)])
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
