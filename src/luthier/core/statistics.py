"""Intervals and tests for means over items, in numpy.

Items may come in groups (several questions on one documented object). Answers within a group
go right or wrong together, so whole groups are resampled, else intervals come out too narrow
(the cluster bootstrap: Field & Welsh 2007, "Bootstrapping clustered data", JRSS B 69).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST_GROUPS = 8
"""With fewer groups than this, intervals resample single items (p-values keep to the groups)."""

LARGE = 4096
"""From so many groups on, samples are drawn in faster ways, by another stream of the seed."""

_CELLS = 1_000_000  # of one resampling block: 8 MB, whatever the number of resamples
_FEW_VALUES = 64
_SLACK = 1e-13  # of the largest sum there can be: two ways to add up the same numbers


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: Over the items.
        low: Lower bound.
        high: Upper bound.
        n: Number of items.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def bootstrap_mean(
    values: Sequence[float] | Floats,
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Mean and percentile bootstrap interval (Efron & Tibshirani 1993, section 13.3).

    Args:
        values: One figure for each item; at least one.
        groups: The group of each item; None when items are independent.
        confidence: Coverage aimed at, between 0 and 1.
        resamples: Number of bootstrap samples; the same seed gives the same samples.
        seed: Of the random generator.
    """
    column = np.asarray(values, dtype=np.float64)
    means = bootstrap_means(column, groups=groups, resamples=resamples, seed=seed)
    sums, counts = _grouped(column, groups, FEWEST_GROUPS)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), len(column))


def bootstrap_means(
    values: Sequence[float] | Floats,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> Floats:
    """The means of bootstrap samples, whole groups drawn with replacement.

    From ``LARGE`` groups on, values of which few differ (right or wrong) are drawn as the counts
    of each, which is the same distribution (a multinomial one) in a hundredth of the time.

    Args:
        values: As in ``bootstrap_mean``.
        groups: As in ``bootstrap_mean``.
        resamples: As in ``bootstrap_mean``.
        seed: As in ``bootstrap_mean``.

    Returns:
        ``resamples`` means, in the order drawn.
    """
    sums, counts = _grouped(np.asarray(values, dtype=np.float64), groups, FEWEST_GROUPS)
    random = np.random.default_rng(seed)
    if len(sums) >= LARGE:
        pairs, often = np.unique(np.column_stack([sums, counts]), axis=0, return_counts=True)
        if len(pairs) <= _FEW_VALUES:
            drawn = random.multinomial(len(sums), often / len(sums), size=resamples)
            means: Floats = (drawn @ pairs[:, 0]) / (drawn @ pairs[:, 1])
            return means
    return _drawn_means(random, sums, counts, resamples)


def _drawn_means(
    random: np.random.Generator, sums: Floats, counts: Floats, resamples: int
) -> Floats:
    """Means of samples drawn one index at a time; one block is summed while the next is drawn."""
    means, groups = np.empty(resamples), len(sums)
    even = bool((counts == counts[0]).all())
    block = max(1, _CELLS // groups)

    def fill(start: int, drawn: npt.NDArray[np.int64]) -> None:
        sizes = groups * counts[0] if even else counts[drawn].sum(axis=1)
        means[start : start + len(drawn)] = sums.take(drawn, mode="clip").sum(axis=1) / sizes

    if resamples <= block:
        fill(0, random.integers(0, groups, size=(resamples, groups)))
        return means
    with ThreadPoolExecutor(1) as pool:
        filled: Future[None] | None = None
        for start in range(0, resamples, block):
            drawn = random.integers(0, groups, size=(min(block, resamples - start), groups))
            if filled is not None:
                filled.result()
            filled = pool.submit(fill, start, drawn)
        if filled is not None:
            filled.result()
    return means


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """A share with its score interval (Wilson 1927).

    Where all items agree, resampling them gives an interval of no width; this one knows that the
    next item may differ.

    Args:
        successes: Items that are so.
        n: Independent items; at least one.
        confidence: Coverage aimed at, between 0 and 1.
    """
    share, z = successes / n, NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def paired_bootstrap(
    differences: Sequence[float] | Floats,
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Mean difference of two routes on the same items, with its interval.

    Resampling the item-wise differences keeps each pair together, so what makes an item hard
    for both routes cancels out (Efron & Tibshirani 1993, chapter 16; for system comparison
    Koehn 2004, "Statistical significance tests for machine translation evaluation").

    Args:
        differences: first minus second, one for each item.
        groups: As in ``bootstrap_mean``.
        confidence: As in ``bootstrap_mean``.
        resamples: As in ``bootstrap_mean``.
        seed: As in ``bootstrap_mean``.
    """
    return bootstrap_mean(
        differences, groups=groups, confidence=confidence, resamples=resamples, seed=seed
    )


def sign_flip_p(
    differences: Sequence[float] | Floats,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p-value of the paired permutation test that the mean difference is zero.

    If two routes are equally good, each group's difference is as likely with the other sign
    (Fisher 1935, "The Design of Experiments", section 21). One is added above and below, so
    that p is never 0 (Phipson & Smyth 2010).

    Args:
        differences: first minus second, one for each item.
        groups: The group of each item; signs flip for whole groups.
        resamples: Number of random sign patterns; p is at least 1 / (resamples + 1).
        seed: Of the random generator.
    """
    sums, _ = _grouped(np.asarray(differences, dtype=np.float64), groups, 0)
    seen, size = abs(float(sums.sum())), float(np.abs(sums).sum())
    random = np.random.default_rng(seed)
    reached, block = 0, max(1, _CELLS // len(sums))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        if len(sums) >= LARGE:  # one bit for each sign
            raw = random.integers(0, 256, size=(rows, -(-len(sums) // 8)), dtype=np.uint8)
            plus = np.unpackbits(raw, axis=1, count=len(sums))
        else:
            plus = random.integers(0, 2, size=(rows, len(sums)), dtype=np.int8)
        flipped = 2 * (plus.astype(np.float64) @ sums) - sums.sum()
        reached += int((np.abs(flipped) >= seen - _SLACK * size).sum())
    return (reached + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of one family of comparisons, in their order (Holm 1979).

    Calling every adjusted value under alpha a difference makes one or more false calls in the
    whole family with probability of at most alpha.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return adjusted


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value for two routes' right and wrong answers on the same items.

    Only items on which exactly one route is right tell them apart; under equality each is a
    fair coin (McNemar 1947, "Note on the sampling error of the difference between correlated
    proportions", Psychometrika 12; exact binomial form).

    Args:
        only_first: Items that only the first route got right.
        only_second: Items that only the second got right.

    Returns:
        0 to 1; 1 where no item tells them apart.
    """
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    log_half = tosses * math.log(0.5)
    tail = math.fsum(
        math.exp(
            math.lgamma(tosses + 1) - math.lgamma(k + 1) - math.lgamma(tosses - k + 1) + log_half
        )
        for k in range(fewer + 1)
    )
    return min(1.0, 2 * tail)


def folds(groups: Sequence[str], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Which fold of a cross-validation each item is in; items of one group share theirs.

    Args:
        groups: Of each item.
        count: Number of folds; fewer where there are fewer groups.
        seed: Of the order in which groups are dealt out.

    Returns:
        0 to ``count`` - 1 for each item.
    """
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names)) % max(1, min(count, len(names)))
    fold_of = dict(zip(names, order.tolist(), strict=True))
    return np.array([fold_of[group] for group in groups], np.int64)


def _grouped(values: Floats, groups: Sequence[str] | None, fewest: int) -> tuple[Floats, Floats]:
    """Sum and number of the values of each group (of each value, without usable groups)."""
    if values.ndim != 1 or not len(values):
        raise ValueError("statistics need at least one value in one row")
    if groups is not None:
        if len(groups) != len(values):
            raise ValueError(f"{len(values)} values but {len(groups)} groups")
        names, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
        if len(names) >= fewest:
            sums = np.bincount(members, weights=values).astype(np.float64)
            return sums, np.bincount(members).astype(np.float64)
    return values, np.ones(len(values))
