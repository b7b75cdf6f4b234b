"""Plots as SVG, drawn without a library: sharp at any width, in print, and without a script.

Lines of a table hold a bar each, whose places are shares of its width; so it stretches with the
page while its text, and the table's numbers beside it, keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from luthier.core.statistics import Interval
from luthier.evaluate.pages.sureness import Sureness

_WIDE, _HIGH, _LEFT, _TOP, _SIDE = 312, 302, 50, 10, 250


class Mark(NamedTuple):
    """How a run is drawn: told apart by colour, and by shape where there is none."""

    colour: str
    path: str


MARKS = (
    Mark("#4b5763", "M0,-5 A5,5 0 1,1 0,5 A5,5 0 1,1 0,-5 Z"),
    Mark("#1f6fa8", "M-4.5,-4.5 H4.5 V4.5 H-4.5 Z"),
    Mark("#b03a5b", "M0,-6 L6,0 L0,6 L-6,0 Z"),
    Mark("#12805c", "M0,-6 L5.5,4.5 L-5.5,4.5 Z"),
    Mark("#7b4fa3", "M0,6 L5.5,-4.5 L-5.5,-4.5 Z"),
    Mark("#8a5f10", "M-5,-2 H-2 V-5 H2 V-2 H5 V2 H2 V5 H-2 V2 H-5 Z"),
)
"""The first is the run that others are held against."""


def mark_of(run: int) -> Mark:
    """Of a run, by its place among the runs."""
    return MARKS[0] if not run else MARKS[1 + (run - 1) % (len(MARKS) - 1)]


def badge(run: int) -> str:
    """The mark of a run, to stand before its name."""
    mark = mark_of(run)
    return (
        '<svg class="badge" width="13" height="13" viewBox="-6.5 -6.5 13 13" aria-hidden="true">'
        f'<path d="{mark.path}" fill="{mark.colour}"/></svg>'
    )


def bar(
    cell: Interval | None,
    low: float,
    high: float,
    run: int = 0,
    *,
    bound: float | None = None,
    zero: bool = False,
) -> str:
    """An interval with its mean on a scale.

    Args:
        cell: The interval; infinite ends reach the scale's ends. None draws the scale alone.
        low: Left end of the scale.
        high: Right end.
        run: Whose mark is drawn.
        bound: Where to draw a line to be held against.
        zero: Draw a line at zero.
    """
    parts = ['<line class="axis" x1="0%" x2="100%" y1="11" y2="11"/>']
    if (low, high) == (0.0, 1.0):
        ticks = (0, 25, 50, 75, 100)
        parts += [f'<line class="axis" x1="{x}%" x2="{x}%" y1="8" y2="14"/>' for x in ticks]
    for value, name in ((0.0 if zero else None, "zero"), (bound, "bound")):
        if value is not None:
            x = _at(value, low, high)
            parts.append(f'<line class="{name}" x1="{x}" x2="{x}" y1="1" y2="21"/>')
    if cell is not None:
        mark = mark_of(run)
        ends = f'x1="{_at(cell.low, low, high)}" x2="{_at(cell.high, low, high)}"'
        parts.append(f'<line {ends} y1="11" y2="11" stroke="{mark.colour}" stroke-width="2.5"/>')
        parts.append(
            f'<svg x="{_at(cell.mean, low, high)}" y="11" overflow="visible">'
            f'<path d="{mark.path}" fill="{mark.colour}" stroke="#fff"/></svg>'
        )
    return f'<svg class="bar" height="22" aria-hidden="true">{"".join(parts)}</svg>'


def reliability(runs: Sequence[Sureness], names: Sequence[str]) -> str:
    """Share of right answers against confidence; on the diagonal, both are the same."""
    x0, y0 = _xy(0, 0)
    x1, y1 = _xy(1, 1)
    parts = [f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" class="zero"/>']
    for one in runs:
        mark = mark_of(one.run)
        for held in one.bins:
            x, y = _xy(held.confidence, held.accuracy)
            low, high = _xy(0, held.low)[1], _xy(0, held.high)[1]
            parts.append(
                f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{mark.colour}" '
                f'stroke-width="1.5"/><path transform="translate({x} {y})" d="{mark.path}" '
                f'fill="{mark.colour}" stroke="#fff"><title>{escape(names[one.run])}: confidence '
                f"{held.confidence:.2f}, right {held.accuracy:.2f}, {held.n} items</title></path>"
            )
    return _plot(parts, "confidence", "share of right answers", "Reliability")


def risk(runs: Sequence[Sureness], names: Sequence[str]) -> str:
    """Share of wrong answers if only the surest are given, against the share given."""
    parts = []
    for one in runs:
        mark = mark_of(one.run)
        curve = [(point.coverage, point.risk) for point in one.curve]
        points = " ".join(",".join(map(str, _xy(share, wrong))) for share, wrong in curve)
        x, y = _xy(*curve[-1])
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{mark.colour}" stroke-width="2">'
            f"<title>{escape(names[one.run])}</title></polyline>"
            f'<path transform="translate({x} {y})" d="{mark.path}" fill="{mark.colour}"/>'
        )
    return _plot(parts, "share of items answered", "share of wrong answers", "Risk and coverage")


def _plot(parts: Sequence[str], across: str, up: str, name: str) -> str:
    """Two axes from 0 to 1 around what is drawn."""
    grid = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _xy(tick, tick)
        x0, y0 = _xy(0, 0)
        x1, y1 = _xy(1, 1)
        grid.append(
            f'<line class="axis" x1="{x}" x2="{x}" y1="{y0}" y2="{y1}"/>'
            f'<line class="axis" x1="{x0}" x2="{x1}" y1="{y}" y2="{y}"/>'
            f'<text x="{x}" y="{y0 + 16}" text-anchor="middle">{tick:g}</text>'
            f'<text x="{x0 - 7}" y="{y + 4}" text-anchor="end">{tick:g}</text>'
        )
    middle = _LEFT + _SIDE / 2
    titles = (
        f'<text x="{middle:g}" y="{_HIGH - 2}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(11 {_TOP + _SIDE / 2:g}) rotate(-90)" '
        f'text-anchor="middle">{up}</text>'
    )
    return (
        f'<svg class="square" viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        f'aria-label="{name}: {up} against {across}; the numbers stand in the table below.">'
        f"{''.join(grid)}{titles}{''.join(parts)}</svg>"
    )


def _xy(x: float, y: float) -> tuple[float, float]:
    return round(_LEFT + x * _SIDE, 1), round(_TOP + (1 - y) * _SIDE, 1)


def _at(value: float, low: float, high: float) -> str:
    if math.isinf(value):
        return "0%" if value < 0 else "100%"
    return f"{min(100.0, max(0.0, (value - low) / ((high - low) or 1) * 100)):.2f}%"
