"""Figures of routes on the same items, and every pair of routes held against each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from luthier.core.statistics import (
    Floats,
    Interval,
    bootstrap_mean,
    holm,
    paired_bootstrap,
    sign_flip_p,
)
from luthier.evaluate.compare import EvaluateSpec
from luthier.evaluate.statistics.power import design_effect


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

    Items of one group go together, which raises the variance of the mean by Kish's design effect.
    """
    if len(set(groups)) < 2:
        return 0.0
    return float(differences.std(ddof=1)) * math.sqrt(design_effect(differences, groups))
