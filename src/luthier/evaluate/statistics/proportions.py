"""Shares, and differences of two shares on the same items, where few items make all the news.

Resampling sees no chance in twenty right answers of twenty. These intervals do.
"""

from __future__ import annotations

import bisect
import math
from statistics import NormalDist

import numpy as np

from luthier.core.statistics import Floats, Interval
from luthier.evaluate.statistics.student import beta_cdf, beta_quantile


def exact_share(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """A share with its exact interval (Clopper & Pearson 1934).

    Args:
        successes: Items that are so.
        n: Independent items; at least one.
        confidence: Least coverage, between 0 and 1.
    """
    tail = (1 - confidence) / 2
    low = beta_quantile(tail, successes, n - successes + 1) if successes else 0.0
    high = beta_quantile(1 - tail, successes + 1, n - successes) if successes < n else 1.0
    return Interval(successes / n, low, high, n)


def share_above_p(successes: int, n: int, bound: float) -> float:
    """Exact one-sided p-value against "the true share is at most ``bound``"."""
    if not successes or bound >= 1:
        return 1.0
    return beta_cdf(bound, successes, n - successes + 1) if bound > 0 else 0.0


def paired_z(only_first: int, only_second: int, n: int, difference: float) -> float:
    """Tango's score statistic of "share of first minus share of second is ``difference``".

    Standard normal if that is so (Tango 1998, "Equivalence test and confidence interval for the
    difference in proportions for the paired-sample design", Statistics in Medicine 17). At 0 it is
    McNemar's.

    Args:
        only_first: Items that only the first got right.
        only_second: Items that only the second got right.
        n: All items.
        difference: Between -1 and 1, ends excluded.
    """
    spread = math.sqrt(n) * null_sd(only_first, only_second, n, difference)
    gap = only_first - only_second - n * difference
    if spread > 0:
        return gap / spread
    return math.copysign(math.inf, gap) if gap else 0.0


def null_sd(only_first: int, only_second: int, n: int, difference: float) -> float:
    """Standard deviation of one item's difference if the true mean is ``difference``.

    How often each route alone is right is then the likeliest under that mean (Tango 1998).
    """
    a = 2.0 * n
    b = -only_first - only_second + (2 * n - only_first + only_second) * difference
    c = -only_second * difference * (1 - difference)
    second = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    return math.sqrt(max(0.0, 2 * second + difference * (1 - difference)))


def paired_interval(
    only_first: int, only_second: int, n: int, *, confidence: float = 0.95
) -> Interval:
    """Difference of two shares on the same items with Tango's score interval (see ``paired_z``).

    Args:
        only_first: As in ``paired_z``.
        only_second: As in ``paired_z``.
        n: As in ``paired_z``.
        confidence: Coverage aimed at, between 0 and 1.
    """
    z, mean = NormalDist().inv_cdf((1 + confidence) / 2), (only_first - only_second) / n

    def bound(end: float, side: float) -> float:
        inside, outside = mean, end
        for _ in range(60):
            middle = (inside + outside) / 2
            if side * paired_z(only_first, only_second, n, middle) < z:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    return Interval(mean, bound(-1.0, 1.0), bound(1.0, -1.0), n)


def quantile(values: Floats, share: float, *, confidence: float = 0.95) -> Interval:
    """A quantile of independent values with its interval, free of any distribution.

    The ends are order statistics, taken from the exact interval of the share of values below
    (David & Nagaraja 2003, "Order Statistics", section 7.1). With few values an end is infinite.

    Args:
        values: At least one.
        share: Which quantile: 0.95 for p95. It stands in ``mean``.
        confidence: Least coverage, between 0 and 1.
    """
    ordered, n, tail = np.sort(values), len(values), (1 - confidence) / 2

    def sure(below: float) -> int:
        """The highest rank that so large a share of values reaches, as good as surely."""
        ranks = range(n)
        return bisect.bisect_left(
            ranks, True, key=lambda i: share_above_p(i + 1, n, below) < 1 - tail
        )

    low, high = sure(share), n - sure(1 - share)
    return Interval(
        float(np.quantile(ordered, share)),
        float(ordered[low - 1]) if low else -math.inf,
        float(ordered[high]) if high < n else math.inf,
        n,
    )
