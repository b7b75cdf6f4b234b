"""Figures of routes on the same items, and every pair of routes held against each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from luthier.core.statistics import (
    Floats,
    Interval,
    bootstrap_mean,
    holm,
    paired_bootstrap,
    sign_flip_p,
)
from luthier.evaluate.compare import EvaluateSpec

POWER = 0.8
"""Chance of seeing a difference that is there, where the number of items is told."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """One route minus another, item by item.

    Attributes:
        interval: Of the mean difference.
        p_holm: Of the paired permutation test, adjusted for all pairs of routes.
        clear: Whether the interval excludes zero and the adjusted p-value agrees.
        spread: Standard deviation of one item's difference, whole groups counted as they count.
    """

    interval: Interval
    p_holm: float
    clear: bool
    spread: float


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Figures of several routes on the same items.

    Attributes:
        scores: By route, one figure for each item.
        groups: Of each item.
        means: By route, with intervals.
        pairs: By (first, second), first minus second; both orders.
    """

    scores: Mapping[str, Floats]
    groups: tuple[str, ...]
    means: Mapping[str, Interval]
    pairs: Mapping[tuple[str, str], Pair]

    @property
    def ranking(self) -> list[str]:
        """Best mean first."""
        return sorted(self.means, key=lambda name: -self.means[name].mean)


def tabulate(
    scores: Mapping[str, Floats], groups: Sequence[str], spec: EvaluateSpec, seed: int
) -> Table:
    """Measure routes and all their pairs.

    Args:
        scores: By route, one figure for each item, items in one order.
        groups: Of each item; whole groups are resampled.
        spec: Confidence and number of resamples.
        seed: Of the resampling.
    """
    how: dict[str, Any] = {"groups": list(groups), "resamples": spec.resamples, "seed": seed}
    sure: dict[str, Any] = {"confidence": spec.confidence}
    means = {name: bootstrap_mean(own, **how, **sure) for name, own in scores.items()}
    names = list(scores)
    found: list[tuple[str, str, Interval, float, float]] = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            apart = scores[first] - scores[second]
            interval = paired_bootstrap(apart, **how, **sure)
            found.append(
                (first, second, interval, sign_flip_p(apart, **how), spread(apart, groups))
            )
    adjusted = holm([p for *_, p, _ in found])
    pairs: dict[tuple[str, str], Pair] = {}
    for (first, second, interval, _, wide), p in zip(found, adjusted, strict=True):
        clear = interval.excludes_zero and p <= 1 - spec.confidence
        turned = Interval(-interval.mean, -interval.high, -interval.low, interval.n)
        pairs[first, second] = Pair(interval, p, clear, wide)
        pairs[second, first] = Pair(turned, p, clear, wide)
    return Table(scores, tuple(groups), means, pairs)


def spread(differences: Floats, groups: Sequence[str]) -> float:
    """Standard deviation of one item's difference such that the mean's is ``spread / sqrt(n)``.

    Items of one group are not independent, so the variance of the mean is that of sums over groups
    (the cluster-robust variance: Cameron & Miller 2015, J. Human Resources 50, section II).
    """
    if len(differences) < 2:
        return 0.0
    centred = differences - differences.mean()
    _, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    sums = np.bincount(members, weights=centred)
    count = len(sums)
    fair = count / (count - 1) if count > 1 else 1.0
    return math.sqrt(float((sums**2).sum()) * fair / len(differences))


def items_needed(wide: float, difference: float, confidence: float = 0.95) -> int:
    """Items with which a difference would be seen with a chance of 80 %.

    Args:
        wide: `spread` of the differences.
        difference: Which is to be seen; not 0.
        confidence: Of the two-sided test.

    Returns:
        All items taken together, by the normal approximation (Cohen 1988, section 2.4).
    """
    normal = NormalDist()
    reach = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(POWER)
    return math.ceil((reach * wide / difference) ** 2)
