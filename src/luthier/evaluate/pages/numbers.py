"""The figures of a page: each metric, each part of the suite, and differences item by item."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from luthier.core.statistics import Floats, Interval, holm
from luthier.evaluate.pages.sides import NEITHER, Together, is_lower
from luthier.evaluate.statistics.evidence import Span, evidence
from luthier.evaluate.statistics.power import items_needed
from luthier.evaluate.statistics.proportions import quantile

PARTS = 24  # tags in one table; the others are counted


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One figure, for each run.

    Attributes:
        label: What it is of.
        cells: Of each run, in order; None where the run has no such figure.
        low: Left end of the scale they are drawn on.
        high: Right end.
        lower: Whether less is better.
    """

    label: str
    cells: tuple[Interval | None, ...]
    low: float
    high: float
    lower: bool = False

    @property
    def same(self) -> int:
        """The number of items, if it is one for all runs; else 0."""
        numbers = {cell.n for cell in self.cells if cell}
        return numbers.pop() if len(numbers) == 1 else 0


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """How a run differs from the first, item by item.

    Attributes:
        run: Its place among the runs.
        metric: In what.
        interval: Of the run minus the first.
        outcome: ``better``, ``worse``, or ``cannot tell`` after Holm's adjustment.
        p: Two-sided, after that adjustment.
        better: Items on which it scored better than the first.
        worse: Items on which it scored worse.
        needed: Items that would tell the two apart if the truth is as seen; None where it is told
            already, or no number would.
        reach: Half the width of the scale, which has zero in its middle.
    """

    run: int
    metric: str
    interval: Interval
    outcome: str
    p: float
    better: int
    worse: int
    needed: int | None
    reach: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One metric in each part of a suite.

    Attributes:
        metric: The metric.
        lines: For each part with at least one item it applies to, most items first.
        left: Parts that are not shown, since there are so many.
    """

    metric: str
    lines: tuple[Line, ...]
    left: int


def figures(side: Together) -> list[Line]:
    """Every metric with its interval, as the runs tell it."""
    names = dict.fromkeys(
        [*side.metrics, *(name for run in side.runs for name in run.run.get("summary", {}))]
    )
    lines = []
    for metric in names:
        cells = tuple(_told(side, i, metric) for i in range(len(side.runs)))
        if any(cells):
            lines.append(_line(metric, cells, is_lower(metric)))
    return lines


def differences(side: Together) -> list[Difference]:
    """Each run against the first in each metric, adjusted for their number."""
    found: list[tuple[Difference, float, float, float]] = []
    groups = side.first.groups
    for metric in (name for name in side.metrics if name not in NEITHER):
        base = side.scores(0, metric)
        for run in range(1, len(side.runs)):
            other = side.scores(run, metric)
            fits = ~(np.isnan(base) | np.isnan(other))
            if fits.any():
                own = groups[fits].tolist()
                found.append(_difference(side, (run, metric), base[fits], other[fits], own))
    adjusted = holm([p for _, p, _, _ in found])
    reach = {
        metric: max(_reach(one.interval) for one, *_ in found if one.metric == metric)
        for metric in side.metrics
        if any(one.metric == metric for one, *_ in found)
    }
    alpha, told = 1 - side.confidence, []
    for (one, _, sd, sd_null), p in zip(found, adjusted, strict=True):
        outcome, needed = "cannot tell", None
        if p <= alpha:
            good = (one.interval.mean < 0) == is_lower(one.metric)
            outcome = "better" if good else "worse"
        elif math.isfinite(sd):
            share = alpha / len(found)
            needed = items_needed(abs(one.interval.mean), sd, sd_null=sd_null, alpha=share)
        told.append(
            dataclasses.replace(one, outcome=outcome, p=p, needed=needed, reach=reach[one.metric])
        )
    return told


def parts(side: Together) -> list[Part]:
    """The metrics that tell how good answers are, in each kind and tag of the suite."""
    run = side.first
    masks: dict[str, npt.NDArray[np.bool_]] = {}
    if len(set(run.kinds.tolist())) > 1:
        masks |= {f"kind {name}": run.kinds == name for name in dict.fromkeys(run.kinds.tolist())}
    tags = dict.fromkeys(tag for own in run.tags for tag in own)
    masks |= {tag: np.array([tag in own for own in run.tags]) for tag in tags}
    masks = {name: own for name, own in masks.items() if not own.all()}
    told = []
    for metric in [name for name in side.metrics if name in set(side.main)]:
        lines = [_part(side, metric, name, mask) for name, mask in masks.items()]
        there = sorted((one for one in lines if one), key=_items, reverse=True)
        if there:
            told.append(Part(metric, _one_scale(there[:PARTS]), len(there[PARTS:])))
    return told


def costs(side: Together) -> list[Line]:
    """Time, tokens and cost of an answer; what no run knows is left out."""
    level, told = side.confidence, []
    ways: list[tuple[str, str, float, Callable[[Floats, list[str]], Interval]]] = [
        ("latency, median (s)", "latency_s", 1, lambda x, _: quantile(x, 0.5, confidence=level)),
        ("latency, 95th percentile (s)", "latency_s", 1,
         lambda x, _: quantile(x, 0.95, confidence=level)),
        ("tokens of the prompt", "prompt_tokens", 1, lambda x, own: _mean(x, own, level)),
        ("tokens of the answer", "completion_tokens", 1, lambda x, own: _mean(x, own, level)),
        ("cost of 1,000 answers", "cost", 1000, lambda x, own: _mean(x, own, level)),
    ]  # fmt: skip
    for label, column, times, way in ways:
        cells: list[Interval | None] = []
        for run in side.runs:
            values = np.asarray(getattr(run, column), dtype=np.float64) * times
            there = ~np.isnan(values)
            known = there.any() and bool(values[there].any())
            cells.append(way(values[there], run.groups[there].tolist()) if known else None)
        if any(cells):
            told.append(_line(label, tuple(cells), False))
    return told


def _told(side: Together, run: int, metric: str) -> Interval | None:
    """The figure that the run was written with, else one of its items."""
    held = side.runs[run].run.get("summary", {}).get(metric)
    if held is not None:
        return Interval(held["mean"], held["low"], held["high"], int(held["n"]))
    values = side.scores(run, metric)
    there = ~np.isnan(values)
    if not there.any():
        return None
    return _mean(values[there], side.first.groups[there].tolist(), side.confidence)


def _mean(values: Floats, groups: list[str], confidence: float) -> Interval:
    within = bool(values.min() >= 0 and values.max() <= 1)
    span = (0.0, 1.0) if within else None
    found = evidence(values, 0.0, groups=groups, span=span, confidence=confidence).interval
    return _inside(found, span)


def _inside(interval: Interval, span: Span | None) -> Interval:
    """An interval without what lies beyond the ends that no mean can pass."""
    if span is None:
        return interval
    low, high = max(span[0], interval.low), min(span[1], interval.high)
    return dataclasses.replace(interval, low=low, high=high)


def _difference(
    side: Together, of: tuple[int, str], base: Floats, other: Floats, groups: list[str]
) -> tuple[Difference, float, float, float]:
    """The difference before adjustment, its two-sided p, and the spread of one item."""
    both = np.concatenate([base, other])
    span = (-1.0, 1.0) if both.min() >= 0 and both.max() <= 1 else None
    off = other - base
    known = evidence(off, 0.0, groups=groups, span=span, confidence=side.confidence)
    up, down = int((off > 0).sum()), int((off < 0).sum())
    better, worse = (down, up) if is_lower(of[1]) else (up, down)
    p = min(1.0, 2 * min(known.above, known.below))
    interval = _inside(known.interval, span)
    one = Difference(of[0], of[1], interval, "", p, better, worse, None)
    return one, p, known.sd, known.sd_null


def _part(side: Together, metric: str, name: str, mask: npt.NDArray[np.bool_]) -> Line | None:
    cells: list[Interval | None] = []
    for run in range(len(side.runs)):
        values = side.scores(run, metric)
        there = mask & ~np.isnan(values)
        own = side.first.groups[there].tolist()
        cells.append(_mean(values[there], own, side.confidence) if there.any() else None)
    return _line(name, tuple(cells), is_lower(metric)) if any(cells) else None


def _items(line: Line) -> int:
    return max(cell.n for cell in line.cells if cell)


def _line(label: str, cells: tuple[Interval | None, ...], lower: bool) -> Line:
    """A line on the scale from 0 to 1, or on one of its own."""
    low, high = _ends([cell for cell in cells if cell])
    return Line(label, cells, low, high, lower)


def _one_scale(lines: Sequence[Line]) -> tuple[Line, ...]:
    low, high = _ends([cell for line in lines for cell in line.cells if cell])
    return tuple(dataclasses.replace(line, low=low, high=high) for line in lines)


def _ends(cells: Sequence[Interval]) -> tuple[float, float]:
    known = [x for c in cells for x in (c.mean, c.low, c.high) if math.isfinite(x)]
    low, high = min(known), max(known)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    room = (high - low or abs(high) or 1.0) * 0.12
    return (max(0.0, low - room) if low >= 0 else low - room), high + room


def _reach(interval: Interval) -> float:
    ends = [abs(x) for x in (interval.mean, interval.low, interval.high) if math.isfinite(x)]
    return max(ends) * 1.15 or 1.0
