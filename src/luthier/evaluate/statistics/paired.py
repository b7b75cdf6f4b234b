"""Two routes on the same items: by how much they differ, and three tests that they do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from luthier.core.statistics import (
    Floats,
    Interval,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    sign_flip_p,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Paired:
    """First minus second, item by item.

    Attributes:
        interval: Paired bootstrap, whole groups together.
        p: Two-sided, of the permutation test (signs of whole groups flip).
        only_first: Items that only the first got right; None where scores are not 0 or 1.
        only_second: Items that only the second got right; None likewise.
        p_exact: McNemar's exact test of these two, which knows no groups; None likewise.
        better: Items on which the first scored higher.
        worse: Items on which it scored lower.
    """

    interval: Interval
    p: float
    only_first: int | None
    only_second: int | None
    p_exact: float | None
    better: int
    worse: int


def paired(
    first: Floats,
    second: Floats,
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Compare two routes.

    Args:
        first: A score of each item.
        second: Scores of the same items, in the same order.
        groups: The group of each item; None when items are independent.
        confidence: Coverage of the interval aimed at, between 0 and 1.
        resamples: Bootstrap samples, and sign patterns.
        seed: Of both.
    """
    off = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    better, worse = int((off > 0).sum()), int((off < 0).sum())
    told = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
    return Paired(
        paired_bootstrap(off, groups=groups, confidence=confidence, resamples=resamples, seed=seed),
        sign_flip_p(off, groups=groups, resamples=resamples, seed=seed),
        better if told else None,
        worse if told else None,
        mcnemar_exact(better, worse) if told else None,
        better,
        worse,
    )


def family(comparisons: Mapping[str, Paired]) -> dict[str, float]:
    """p-values of comparisons made together, after Holm's adjustment."""
    return dict(zip(comparisons, holm([one.p for one in comparisons.values()]), strict=True))
