"""Figures of a classifier, and the temperature that makes its probabilities honest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_WIDEST = 5.0  # of log temperature, either way


def scores(right: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1 and recall of each class, as plain JSON.

    Macro-F1 is the mean F1 over the labels that stand in ``right``: a label that is only
    predicted lowers the F1 of those it was mistaken for, and adds no class of its own.

    Args:
        right: The true labels; at least one.
        predicted: As many.
    """
    pairs = list(zip(right, predicted, strict=True))
    labels = sorted(set(right))
    recall, f1 = {}, {}
    for label in labels:
        hits = sum(r == p == label for r, p in pairs)
        there = sum(r == label for r, _ in pairs)
        said = sum(p == label for _, p in pairs)
        recall[label] = hits / there
        f1[label] = 2 * hits / (there + said)
    return {
        "rows": len(pairs),
        "accuracy": sum(r == p for r, p in pairs) / len(pairs),
        "macro_f1": sum(f1.values()) / len(labels),
        "macro_recall": sum(recall.values()) / len(labels),
        "recall": recall,
    }


def rare_labels(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Labels with fewer than half as many rows as labels have on average, rarest first.

    Args:
        counts: Rows by label.
    """
    half = sum(counts.values()) / max(len(counts), 1) / 2
    rare = [label for label, rows in counts.items() if rows < half]
    return tuple(sorted(rare, key=lambda label: (counts[label], label)))


def log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Logarithms of probabilities, row by row, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    logs: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def best_temperature(logits: Floats, targets: npt.NDArray[np.intp]) -> float:
    """The number to divide logits by that gives the right labels most likelihood.

    Temperature scaling (Guo et al. 2017, section 4.2). The likelihood has one peak in it, so a
    golden-section search finds it; within e^-5 to e^5.

    Args:
        logits: Shape (rows, labels), of rows the classifier was not trained on.
        targets: Indices of the right labels; 1.0 is returned if there are none.
    """
    if not len(targets):
        return 1.0

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / math.exp(log_temperature))
        return -float(logs[np.arange(len(targets)), targets].mean())

    low, high = -_WIDEST, _WIDEST
    while high - low > 1e-4:
        span = _GOLDEN * (high - low)
        if loss(high - span) <= loss(low + span):
            high = low + span
        else:
            low = high - span
    return math.exp((low + high) / 2.0)
