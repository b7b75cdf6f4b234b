"""Figures of classes over all items: macro-F1, Matthews' correlation, area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from luthier.core.statistics import Floats
from luthier.evaluate.scorers.resampled import Weighed


def macro_f1(right: Sequence[str], said: Sequence[str]) -> Weighed:
    """Mean F1 over the labels that stand in ``right``.

    A label that is only said lowers the F1 of those it was mistaken for, and adds no class.

    Args:
        right: The true label of each item.
        said: The label that was answered; any text.
    """
    labels = sorted(set(right))
    truth, given = _marks(right, labels), _marks(said, labels)
    hits = truth * given

    def weighed(weights: Floats) -> Floats:
        there = weights @ truth
        made = there + weights @ given
        f1 = 2 * (weights @ hits) / np.where(made > 0, made, 1.0)
        found: Floats = (f1 * (there > 0)).sum(axis=1) / (there > 0).sum(axis=1)
        return found

    return weighed


def matthews(right: Sequence[str], said: Sequence[str]) -> Weighed:
    """Correlation of true and answered labels, -1 to 1; 0 where either never changes.

    For two labels Matthews 1975, for more Gorodkin 2004, "Comparing two K-category assignments by a
    K-category correlation coefficient". Answers that are no label are classes of their own.

    Args:
        right: The true label of each item.
        said: The label that was answered; any text.
    """
    labels = sorted({*right, *said})
    truth, given = _marks(right, labels), _marks(said, labels)
    same = np.array([a == b for a, b in zip(right, said, strict=True)], dtype=np.float64)

    def weighed(weights: Floats) -> Floats:
        t, p = weights @ truth, weights @ given
        n = weights.sum(axis=1)
        above = (weights @ same) * n - (t * p).sum(axis=1)
        spread = (n * n - (p * p).sum(axis=1)) * (n * n - (t * t).sum(axis=1))
        found: Floats = np.where(spread > 0, above / np.sqrt(np.where(spread > 0, spread, 1.0)), 0)
        return found

    return weighed


def auroc(values: Floats, positive: Sequence[bool]) -> Weighed:
    """How often a positive item has a higher value than a negative one, a tie counting half.

    The area under the ROC curve, as Mann and Whitney's U gives it (Hanley & McNeil 1982); nan
    without both kinds.

    Args:
        values: One for each item.
        positive: Whether it is one.
    """
    _, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(int(level.max()) + 1))
    is_one = np.asarray(positive, dtype=np.float64)[order]

    def weighed(weights: Floats) -> Floats:
        ones = np.add.reduceat(weights[:, order] * is_one, starts, axis=1)
        others = np.add.reduceat(weights[:, order] * (1 - is_one), starts, axis=1)
        below = np.cumsum(others, axis=1) - others / 2
        pairs = ones.sum(axis=1) * others.sum(axis=1)
        above = (ones * below).sum(axis=1)
        found: Floats = np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1.0), np.nan)
        return found

    return weighed


def macro_auroc(chances: Floats, right: Sequence[int]) -> Weighed:
    """Mean area under the ROC curve of each class against all others.

    Args:
        chances: Probability of each class, shape (items, classes).
        right: The number of each item's class.
    """
    truth = np.asarray(right)
    there = sorted(set(truth.tolist()))
    each = [auroc(chances[:, k], (truth == k).tolist()) for k in there]

    def weighed(weights: Floats) -> Floats:
        found = np.stack([one(weights) for one in each])
        told = ~np.isnan(found)
        total = np.where(told, found, 0.0).sum(axis=0)
        mean: Floats = np.where(told.any(axis=0), total / np.maximum(told.sum(axis=0), 1), np.nan)
        return mean

    return weighed


def _marks(labels: Sequence[str], names: Sequence[str]) -> Floats:
    """1 where an item has a label, shape (items, labels)."""
    place = {name: i for i, name in enumerate(names)}
    marks = np.zeros((len(labels), len(names)))
    for row, label in enumerate(labels):
        if label in place:
            marks[row, place[label]] = 1.0
    return marks
