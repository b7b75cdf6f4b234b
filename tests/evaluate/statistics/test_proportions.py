"""Shares and paired shares against scipy, and against a likelihood maximised by search."""

import math

import numpy as np
import pytest

from luthier.evaluate.statistics.proportions import (
    exact_share,
    null_sd,
    paired_interval,
    paired_z,
    quantile,
    share_above_p,
)

stats = pytest.importorskip("scipy.stats")
PAIRS = [(12, 2, 100, 0.0), (5, 9, 60, -0.1), (30, 20, 300, 0.05), (0, 3, 50, 0.02)]


@pytest.mark.parametrize(("successes", "n"), [(0, 9), (20, 20), (3, 8), (734, 1508)])
def test_a_share_is_clopper_and_pearsons(successes: int, n: int) -> None:
    wanted = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
    found = exact_share(successes, n)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    p = stats.binomtest(successes, n, 0.4, alternative="greater").pvalue
    assert share_above_p(successes, n, 0.4) == pytest.approx(p, rel=1e-7)


def test_bounds_outside_0_to_1_are_certain() -> None:
    assert share_above_p(3, 8, -0.1) == 0
    assert share_above_p(3, 8, 1.0) == 1
    assert share_above_p(0, 8, -0.1) == 1  # nothing seen is no evidence


@pytest.mark.parametrize(("first", "second", "n", "difference"), PAIRS)
def test_tango_is_the_score_at_the_likeliest_shares(
    first: int, second: int, n: int, difference: float
) -> None:
    optimize = pytest.importorskip("scipy.optimize")

    def unlikely(share: float) -> float:
        chances = (share + difference, share, 1 - 2 * share - difference)
        counts = (first, second, n - first - second)
        return -sum(k * math.log(max(p, 1e-300)) for k, p in zip(counts, chances, strict=True))

    ends = max(0.0, -difference), (1 - difference) / 2
    share = optimize.minimize_scalar(unlikely, bounds=ends, method="bounded",
                                     options={"xatol": 1e-12}).x  # fmt: skip
    sd = math.sqrt(2 * share + difference - difference**2)
    assert null_sd(first, second, n, difference) == pytest.approx(sd, rel=1e-5)
    z = (first - second - n * difference) / (sd * math.sqrt(n))
    assert paired_z(first, second, n, difference) == pytest.approx(z, rel=1e-5)


def test_at_zero_it_is_mcnemars_statistic() -> None:
    assert paired_z(209, 152, 1319, 0) == pytest.approx((209 - 152) / math.sqrt(209 + 152))


def test_the_interval_is_where_the_score_is_not_extreme() -> None:
    found = paired_interval(209, 152, 1319)
    assert found.mean == pytest.approx(57 / 1319)
    assert paired_z(209, 152, 1319, found.low) == pytest.approx(1.959964, abs=1e-6)
    assert paired_z(209, 152, 1319, found.high) == pytest.approx(-1.959964, abs=1e-6)


def test_no_differing_item_still_leaves_doubt() -> None:
    found = paired_interval(0, 0, 50)
    wanted = 1.959964**2 / (50 + 1.959964**2)
    assert (found.low, found.high) == pytest.approx((-wanted, wanted), abs=1e-5)


def test_a_quantile_is_covered_by_its_order_statistics() -> None:
    random, hits = np.random.default_rng(4), 0
    for _ in range(300):
        found = quantile(random.exponential(size=120), 0.9)
        hits += found.low <= -math.log(0.1) <= found.high
    assert hits / 300 >= 0.94
    few = quantile(np.array([1.0, 2.0, 3.0]), 0.95)
    assert math.isinf(few.high)
