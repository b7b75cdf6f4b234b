"""Pairs of routes, their spread, and the items it takes to see a difference."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.evaluate.compare import EvaluateSpec
from luthier.evaluate.decision.quality import spread, tabulate

HOW = EvaluateSpec(resamples=1000)


def test_pairs_are_signed_ranked_and_adjusted() -> None:
    draw = np.random.default_rng(0)
    low = draw.random(200)
    scores = {"low": low, "high": low + 0.3, "same": low + draw.normal(0, 0.1, 200)}
    table = tabulate(scores, [str(i) for i in range(200)], HOW, 0)
    assert table.ranking[0] == "high"
    pair, turned = table.pairs["high", "low"], table.pairs["low", "high"]
    assert pair.interval.mean == pytest.approx(0.3)
    assert (turned.interval.low, turned.interval.high) == (-pair.interval.high, -pair.interval.low)
    assert pair.clear
    assert not table.pairs["low", "same"].clear
    assert pair.p_holm >= 3 / 1001  # the smallest p there is, of three pairs


def test_spread_is_the_standard_deviation_without_groups() -> None:
    values = np.random.default_rng(1).normal(0, 2, 500)
    alone = spread(values, [str(i) for i in range(500)])
    assert alone == pytest.approx(values.std(ddof=1))


def test_spread_grows_where_groups_go_together() -> None:
    values = np.repeat(np.random.default_rng(2).normal(0, 1, 50), 10)
    groups = [str(i // 10) for i in range(500)]
    assert spread(values, groups) == pytest.approx(values.std() * np.sqrt(10 * 50 / 49))
    assert spread(values, ["one"] * 500) == 0.0
