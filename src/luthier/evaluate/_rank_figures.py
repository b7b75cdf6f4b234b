"""Figures of ranked language models, with intervals by resampling groups of texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.core.statistics import FEWEST_GROUPS, Interval

Floats = NDArray[np.float64]

_CELLS = 1_000_000  # of one resampling block
_LARGEST = 700.0  # nats a word: the exponential of more is beyond a float


def bootstrap_ratio(
    above: Floats,
    below: Floats,
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval | None:
    """A ratio of two sums with its percentile bootstrap interval, or None with too few texts.

    Whole groups are drawn (see ``units``), and both sums are made anew each time (Efron &
    Tibshirani 1993, section 13.3, of the ratio estimator). The same seed draws the same groups, so
    that models are compared on the same samples.

    Args:
        above: Of each text what is summed above the line (bits, or a difference of bits).
        below: Of each text what is summed below it (bytes).
        groups: The group of each text.
        confidence: Coverage aimed at, between 0 and 1.
        resamples: Number of bootstrap samples.
        seed: Of the draw.
    """
    members, number = units(groups)
    if number < FEWEST_GROUPS:
        return None
    tops, bottoms = (np.bincount(members, weights=values) for values in (above, below))
    random = np.random.default_rng(seed)
    ratios = np.empty(resamples)
    block = max(1, _CELLS // number)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = random.integers(0, number, size=(rows, number))
        ratios[start : start + rows] = tops[drawn].sum(axis=1) / bottoms[drawn].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Interval(float(above.sum() / below.sum()), float(low), float(high), number)


def units(groups: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    """What is drawn: the number of each text's group, and how many groups there are.

    With fewer than eight groups each text counts as its own, as in ``statistics``.
    """
    names, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return np.arange(len(groups)), len(groups)
    return members, len(names)


def interval_json(mean: float, found: Interval | None) -> dict[str, float | None]:
    """A mean with its bounds as plain data; None for both where there is no interval."""
    if found is None:
        return {"mean": mean, "low": None, "high": None}
    return {"mean": mean, "low": found.low, "high": found.high}


def perplexity(nats: float, units: float) -> float | None:
    """``exp(nats / units)``; None without units, or beyond what a float holds."""
    return math.exp(nats / units) if units and nats / units < _LARGEST else None


def headline(rows: Sequence[dict[str, Any]]) -> str:
    """One sentence on ranked candidates, the best first.

    Args:
        rows: With ``name``, ``bits_per_byte`` and, behind the first, ``against_best``.
    """
    best = rows[0]
    if len(rows) == 1:
        return f"{best['name']} needs {best['bits_per_byte']['mean']:.3f} bits per byte."
    if any(row["verdict"] == "too few texts" for row in rows[1:]):
        return f"Too few texts to tell whether {best['name']} is the best."
    near = [row["name"] for row in rows[1:] if row["verdict"] == "cannot tell apart"]
    if near:
        return f"Cannot tell {best['name']} apart from {' and '.join(near)}."
    return f"{best['name']} needs the fewest bits per byte, clearly."
