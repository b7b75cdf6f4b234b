"""Comparisons that may be looked at after every item, and stopped when they are clear.

An interval made for a fixed number of items errs more often the more often it is looked at. A
confidence sequence covers the true mean at all times at once: stop when you like. This one is won
by betting against each candidate mean on the items seen so far (Waudby-Smith & Ramdas 2024,
"Estimating means of bounded random variables by betting", JRSS B 86; the hedged capital process
with predictable plug-in bets).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from luthier.core.statistics import Floats, Interval

_CANDIDATES = 1000
_BLOCK = 1000  # bets on all candidates at once: 8 MB
_SHARE = 0.5  # of the capital that one bet may lose


@dataclasses.dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """Intervals that hold together, one after each group of items.

    Attributes:
        means: Of the items so far; shape (groups,).
        lows: Lower bounds; never fall.
        highs: Upper bounds; never rise.
        items: Number of items so far.
    """

    means: Floats
    lows: Floats
    highs: Floats
    items: npt.NDArray[np.int64]

    @property
    def interval(self) -> Interval:
        """After the last item."""
        ends = float(self.means[-1]), float(self.lows[-1]), float(self.highs[-1])
        return Interval(*ends, int(self.items[-1]))

    def settled(self, bound: float) -> int | None:
        """After how many items the bound was outside; None if it never was."""
        outside = np.flatnonzero((self.lows > bound) | (self.highs < bound))
        return int(self.items[outside[0]]) if len(outside) else None


def confidence_sequence(
    values: Sequence[float] | Floats,
    *,
    span: tuple[float, float] = (0.0, 1.0),
    groups: Sequence[str] | None = None,
    planned: int | None = None,
    confidence: float = 0.95,
) -> ConfidenceSequence:
    """Bounds on the mean that may be looked at after every item.

    Args:
        values: In the order they came, which must not depend on what they are.
        span: Ends that no value passes: ``(-1, 1)`` for differences of scores in ``(0, 1)``.
        groups: The group of each item; a group counts when its last item has come, as one bet.
        planned: Most groups (items without groups) there will ever be, set before the first look:
            intervals are narrower near them. None if nobody knows.
        confidence: Chance that all intervals hold, between 0 and 1.

    Raises:
        ValueError: No values, or one outside the span.
    """
    sums, counts = _in_order(values, groups, span)
    largest = counts.max()
    gains, weights = sums / largest, counts / largest
    candidates = np.linspace(0, 1, _CANDIDATES + 1)
    bets = _bets(gains, weights, 1 - confidence, planned)
    crossed = np.full(len(candidates), len(sums))
    high_alarm = math.log(2 / (1 - confidence))
    up, down = np.zeros(len(candidates)), np.zeros(len(candidates))
    with np.errstate(divide="ignore"):
        most_up, most_down = _SHARE / candidates, _SHARE / (1 - candidates)
    for start in range(0, len(sums), _BLOCK):
        end = min(start + _BLOCK, len(sums))
        surprise = gains[start:end, None] - candidates * weights[start:end, None]
        block = bets[start:end, None]
        rise = up + np.cumsum(np.log1p(np.minimum(block, most_up) * surprise), axis=0)
        fall = down + np.cumsum(np.log1p(-np.minimum(block, most_down) * surprise), axis=0)
        alarm = np.maximum(rise, fall) >= high_alarm
        first = np.where(alarm.any(axis=0), start + alarm.argmax(axis=0), len(sums))
        crossed = np.minimum(crossed, first)
        up, down = rise[-1], fall[-1]
    return _sequence(sums, counts, crossed, candidates, span)


def anytime_p(
    values: Sequence[float] | Floats,
    bound: float,
    *,
    span: tuple[float, float] = (0.0, 1.0),
    groups: Sequence[str] | None = None,
    planned: int | None = None,
    alpha: float = 0.05,
) -> tuple[float, float]:
    """One-sided p-values that may be looked at after every item (one over the largest capital).

    Args:
        values: As in ``confidence_sequence``.
        bound: What the mean is held against.
        span: As in ``confidence_sequence``.
        groups: As in ``confidence_sequence``.
        planned: As in ``confidence_sequence``.
        alpha: The level that bets are made for; it changes power, never the error.

    Returns:
        Against "the true mean is at most the bound", and against "at least the bound".
    """
    sums, counts = _in_order(values, groups, span)
    largest, at = counts.max(), (bound - span[0]) / (span[1] - span[0])
    if not 0 <= at <= 1:
        return (0.0, 1.0) if at < 0 else (1.0, 0.0)
    gains, weights = sums / largest, counts / largest
    bets, surprise = _bets(gains, weights, alpha, planned), gains - at * weights
    rise = np.cumsum(np.log1p(np.minimum(bets, _SHARE / at if at else np.inf) * surprise))
    fall = np.cumsum(
        np.log1p(-np.minimum(bets, _SHARE / (1 - at) if at < 1 else np.inf) * surprise)
    )
    return math.exp(-max(0.0, float(rise.max()))), math.exp(-max(0.0, float(fall.max())))


def _in_order(
    values: Sequence[float] | Floats, groups: Sequence[str] | None, span: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Sum (scaled to 0 to 1) and number of items of each group, by when it was whole."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise ValueError("statistics need at least one value in one row")
    scaled = (column - span[0]) / (span[1] - span[0])
    if scaled.min() < 0 or scaled.max() > 1:
        raise ValueError(f"a value lies outside {span[0]:g} to {span[1]:g}")
    if groups is None:
        return scaled, np.ones(len(scaled))
    _, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    last = np.zeros(members.max() + 1, dtype=np.int64)
    np.maximum.at(last, members, np.arange(len(members)))
    order = np.argsort(last)
    sums = np.bincount(members, weights=scaled)[order].astype(np.float64)
    return sums, np.bincount(members)[order].astype(np.float64)


def _bets(gains: Floats, weights: Floats, alpha: float, planned: int | None) -> Floats:
    """Each bet's size, from what was seen before it (Waudby-Smith & Ramdas 2024, equation 26)."""
    steps = np.arange(1, len(gains) + 1)
    means = (0.5 + np.cumsum(gains)) / (1 + np.cumsum(weights))
    off = (gains - means * weights) ** 2
    variances = (0.25 + np.cumsum(off)) / (steps + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    ahead = np.minimum(steps * np.log1p(steps), planned or math.inf)
    sizes: Floats = np.sqrt(2 * math.log(2 / alpha) / (before * ahead))
    return sizes


def _sequence(
    sums: Floats,
    counts: Floats,
    crossed: npt.NDArray[np.int64],
    candidates: Floats,
    span: tuple[float, float],
) -> ConfidenceSequence:
    step, items = candidates[1], np.cumsum(counts)
    lows, highs = np.empty(len(sums)), np.empty(len(sums))
    low, high = 0, len(candidates) - 1
    for time in range(len(sums)):
        while low < high and crossed[low] <= time:
            low += 1
        while high > low and crossed[high] <= time:
            high -= 1
        lows[time], highs[time] = candidates[low], candidates[high]
    width = span[1] - span[0]
    return ConfidenceSequence(
        span[0] + width * np.cumsum(sums) / items,
        span[0] + width * np.maximum(0, lows - step * (lows > 0)),  # one step of the grid wider
        span[0] + width * np.minimum(1, highs + step * (highs < 1)),
        items.astype(np.int64),
    )
