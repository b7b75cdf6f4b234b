"""What items say about a bound: an interval, and a one-sided p-value for each side of it.

One way is chosen by the items themselves, so that the error is the nominal one also where
resampling fails (few items, few that differ, a long tail):

- right or wrong, independent: exact (``proportions.exact_share``); differences of two such on the
  same items: Tango's score interval, and McNemar's exact test where the bound is zero;
- nearly all groups alike, and scores within known ends: how often a group differs is an exact
  share, and those that differ may do so by all there is;
- else Student's t over groups, with the skewness taken out (Hall 1992, "On the removal of skewness
  by transformation", JRSS B 54), which misses by less than the percentile bootstrap does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from luthier.core.statistics import FEWEST_GROUPS, Floats, Interval
from luthier.evaluate.statistics.proportions import (
    exact_share,
    null_sd,
    paired_interval,
    paired_z,
    share_above_p,
)
from luthier.evaluate.statistics.student import t_cdf, t_quantile

Span = tuple[float, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What items say about a bound.

    Attributes:
        interval: Of the mean; infinite ends where nothing can be said.
        above: One-sided p-value against "the true mean is at most the bound".
        below: One-sided p-value against "the true mean is at least the bound".
        sd: Of one item, what grouping costs included: the standard error is ``sd / sqrt(n)``.
        sd_null: The same if the true mean were the bound.
        method: In a word or two.
    """

    interval: Interval
    above: float
    below: float
    sd: float
    sd_null: float
    method: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Clusters:
    """Sum and number of the items of each group."""

    sums: Floats
    counts: Floats

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.counts.sum())

    def se(self) -> float:
        """Standard error of the mean over items (Cochran 1977, section 9A: a ratio)."""
        size = len(self.sums)
        off = self.sums - self.mean * self.counts
        return math.sqrt(size / (size - 1) * float(off @ off)) / self.n

    def skewness(self) -> float:
        """Of the groups' distance from the mean."""
        off = self.sums - self.mean * self.counts
        return float((off**3).mean() / (off**2).mean() ** 1.5)


def evidence(
    values: Sequence[float] | Floats,
    bound: float,
    *,
    groups: Sequence[str] | None = None,
    span: Span | None = None,
    confidence: float = 0.95,
) -> Evidence:
    """What items say about a bound.

    Args:
        values: A score of each item, or the difference of two routes' scores; at least one.
        bound: What the mean is held against.
        groups: The group of each item; None when items are independent.
        span: The ends that values cannot pass: ``(0, 1)`` for scores, ``(-1, 1)`` for differences
            of scores; None where there are none.
        confidence: Coverage of the interval aimed at, between 0 and 1.

    Raises:
        ValueError: No values, or as many groups as values are not given.
    """
    column = np.asarray(values, dtype=np.float64)
    clusters, single = _clusters(column, groups)
    whole = bool((column == np.round(column)).all())
    if single and whole and span == (0.0, 1.0):
        return _share(int(column.sum()), len(column), bound, confidence)
    if single and whole and span == (-1.0, 1.0):
        first, second = int((column > 0).sum()), int((column < 0).sum())
        return _paired_shares(first, second, len(column), bound, confidence)
    number = len(clusters.sums)
    rates = clusters.sums / clusters.counts
    kinds, often = np.unique(np.round(rates, 12), return_counts=True)
    usual, rare = float(kinds[often.argmax()]), number - int(often.max())
    if span is not None and (not rare or rare < FEWEST_GROUPS <= number):
        return _alike(clusters, usual, rare, bound, span, confidence)
    if number < 2:
        interval = Interval(clusters.mean, -math.inf, math.inf, clusters.n)
        return Evidence(interval, 1.0, 1.0, math.inf, math.inf, "too few items")
    if not rare:
        return _constant(clusters, bound)
    return _by_t(clusters, bound, confidence)


def _clusters(values: Floats, groups: Sequence[str] | None) -> tuple[_Clusters, bool]:
    """The groups, and whether each item is one of its own."""
    if values.ndim != 1 or not len(values):
        raise ValueError("statistics need at least one value in one row")
    if groups is None:
        return _Clusters(values, np.ones(len(values))), True
    if len(groups) != len(values):
        raise ValueError(f"{len(values)} values but {len(groups)} groups")
    names, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    sums = np.bincount(members, weights=values).astype(np.float64)
    counts = np.bincount(members).astype(np.float64)
    return _Clusters(sums, counts), len(names) == len(values)


def _share(successes: int, n: int, bound: float, confidence: float) -> Evidence:
    share, inside = successes / n, min(1.0, max(0.0, bound))
    return Evidence(
        exact_share(successes, n, confidence=confidence),
        share_above_p(successes, n, bound),
        share_above_p(n - successes, n, 1 - bound),
        math.sqrt(share * (1 - share)),
        math.sqrt(inside * (1 - inside)),
        "exact share",
    )


def _paired_shares(first: int, second: int, n: int, bound: float, confidence: float) -> Evidence:
    inside = min(1 - 1e-9, max(-1 + 1e-9, bound))
    z = paired_z(first, second, n, inside)
    above, below = NormalDist().cdf(-z), NormalDist().cdf(z)
    if bound == 0:
        tosses = first + second
        above = max(above, share_above_p(first, tosses, 0.5))
        below = max(below, share_above_p(second, tosses, 0.5))
    mean = (first - second) / n
    return Evidence(
        paired_interval(first, second, n, confidence=confidence),
        above,
        below,
        math.sqrt(max(0.0, (first + second) / n - mean * mean)),
        null_sd(first, second, n, inside),
        "McNemar" if bound == 0 else "paired shares",
    )


def _alike(
    clusters: _Clusters, usual: float, rare: int, bound: float, span: Span, confidence: float
) -> Evidence:
    """Nearly all groups have the same mean, ``usual``; ``rare`` of them have another."""
    number = len(clusters.sums)
    most = exact_share(rare, number, confidence=confidence).high
    down, up = usual - span[0], span[1] - usual
    interval = Interval(clusters.mean, usual - down * most, usual + up * most, clusters.n)
    room = down if bound < usual else up
    reach = min(1.0, abs(usual - bound) / room) if room > 0 else 1.0
    p = share_above_p(number - rare, number, 1 - reach)  # that so few differ if so many did
    size = math.sqrt(clusters.n / number)
    return Evidence(
        interval,
        p if bound < usual else 1.0,
        p if bound > usual else 1.0,
        size * room * math.sqrt(rare / number * (1 - rare / number)),
        size * room * math.sqrt(reach * (1 - reach)),
        "nearly all alike",
    )


def _constant(clusters: _Clusters, bound: float) -> Evidence:
    """Values without ends that are all the same, such as a cost of nothing."""
    mean = clusters.mean
    interval = Interval(mean, mean, mean, clusters.n)
    return Evidence(interval, float(mean <= bound), float(mean >= bound), 0.0, 0.0, "all the same")


def _by_t(clusters: _Clusters, bound: float, confidence: float) -> Evidence:
    """Student's t over groups; from ``FEWEST_GROUPS`` on with Hall's correction for skewness."""
    mean, se, number = clusters.mean, clusters.se(), len(clusters.sums)
    skew = clusters.skewness() / math.sqrt(number) if number >= FEWEST_GROUPS else 0.0
    far = t_quantile((1 + confidence) / 2, number - 1)
    low, high = mean - se * _lopsided(far, skew), mean - se * _lopsided(-far, skew)
    t = _evened((mean - bound) / se, skew)
    sd = se * math.sqrt(clusters.n)
    return Evidence(
        Interval(mean, low, high, clusters.n),
        t_cdf(-t, number - 1),
        t_cdf(t, number - 1),
        sd,
        sd,
        "items" if clusters.n == number else f"{number:,} groups",
    )


def _evened(t: float, skew: float) -> float:
    """Hall's transformation of a t statistic; ``skew`` is the skewness over root n."""
    return t + skew * t * t / 3 + skew * skew * t**3 / 27 + skew / 6


def _lopsided(even: float, skew: float) -> float:
    """The t statistic that ``_evened`` turns into ``even``."""
    if abs(skew) < 1e-9:
        return even
    return 3 / skew * (math.cbrt(1 + skew * (even - skew / 6)) - 1)
