"""Intervals of ratios resample whole groups; sentences say no more than the intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from luthier.core.statistics import bootstrap_mean
from luthier.evaluate._rank_figures import (
    bootstrap_ratio,
    headline,
    interval_json,
    perplexity,
    units,
)


def row(name: str, bits: float, verdict: str = "") -> dict[str, object]:
    return {"name": name, "bits_per_byte": {"mean": bits}, "verdict": verdict}


def test_with_texts_of_one_size_the_ratio_is_the_mean_over_that_size() -> None:
    values = np.random.default_rng(1).normal(20, 5, 40)
    names = [str(n) for n in range(40)]
    found = bootstrap_ratio(values, np.full(40, 10.0), names, resamples=500, seed=3)
    mean = bootstrap_mean(values / 10, groups=names, resamples=500, seed=3)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((mean.mean, mean.low, mean.high))


def test_a_long_text_weighs_by_its_bytes() -> None:
    above, below = np.array([10.0, *[90.0] * 9]), np.array([1.0, *[100.0] * 9])
    found = bootstrap_ratio(above, below, [str(n) for n in range(10)])
    assert found is not None
    assert found.mean == pytest.approx(820 / 901)
    assert found.low <= found.mean <= found.high


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    names = [str(n) for n in range(60)]
    covered = 0
    for trial in range(200):
        sizes = random.integers(10, 200, 60).astype(float)
        bits = sizes * 2.0 + random.normal(0, 1, 60) * sizes**0.5
        found = bootstrap_ratio(bits, sizes, names, resamples=400, seed=trial)
        assert found is not None
        covered += found.low <= 2.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_groups_are_drawn_whole_and_make_the_interval_wider() -> None:
    values = np.repeat(np.random.default_rng(2).normal(0, 1, 20), 10) + 5
    ones = np.ones(200)
    apart = bootstrap_ratio(values, ones, [str(n) for n in range(200)])
    whole = bootstrap_ratio(values, ones, [str(n // 10) for n in range(200)])
    assert apart is not None
    assert whole is not None
    assert (apart.n, whole.n) == (200, 20)
    assert whole.high - whole.low > 2 * (apart.high - apart.low)


def test_few_groups_fall_back_to_texts_and_few_texts_to_nothing() -> None:
    assert units(["a"] * 5 + ["b"] * 5)[1] == 10
    assert units([str(n) for n in range(8)])[1] == 8
    assert bootstrap_ratio(np.ones(7), np.ones(7), [str(n) for n in range(7)]) is None
    assert interval_json(1.5, None) == {"mean": 1.5, "low": None, "high": None}


def test_perplexity_is_none_where_no_figure_holds_it() -> None:
    assert perplexity(math.log(8) * 5, 5) == pytest.approx(8)
    assert perplexity(3.0, 0) is None
    assert perplexity(1e6, 1) is None


def test_the_headline_claims_only_what_is_clear() -> None:
    one, two, three = row("a", 1.5), row("b", 1.6, "worse"), row("c", 1.7, "cannot tell apart")
    assert headline([one]) == "a needs 1.500 bits per byte."
    assert headline([one, two]) == "a needs the fewest bits per byte, clearly."
    assert headline([one, two, three]) == "Cannot tell a apart from c."
    assert headline([one, row("b", 2, "too few texts")]).startswith("Too few texts")
