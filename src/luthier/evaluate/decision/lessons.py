"""What is commonly advised on prompting, retrieving and tuning, held against what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from luthier.core.statistics import Interval, paired_bootstrap

Held = Literal["holds here", "does not hold here", "cannot tell", "not measured"]
ENOUGH_ROWS = 1000
"""Rows from which on tuning is commonly advised."""


@dataclasses.dataclass(frozen=True, slots=True)
class Lesson:
    """A piece of advice.

    Attributes:
        advice: As it is commonly given.
        measured: What was found here.
        held: Whether it holds.
    """

    advice: str
    measured: str
    held: Held


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What lessons are drawn from.

    Attributes:
        retrieving: The best route that retrieves; "" if there is none.
        tuned: The best tuned route without retrieval; "" if there is none.
        untuned: The best route that is not tuned; "" if there is none.
        values: By name of a figure, by route, one value for each item; None does not apply.
        groups: Of each item.
        stale: By route, share of changed facts answered as before once all is up to date.
        rows: Training rows.
        curve: Gain of the last doubling of the training rows; None if not measured.
        margin: The smallest difference that matters.
    """

    retrieving: str
    tuned: str
    untuned: str
    values: Mapping[str, Mapping[str, Sequence[float | None]]]
    groups: Sequence[str]
    stale: Mapping[str, tuple[float, int]]
    rows: int
    curve: Interval | None
    margin: float


def lessons(found: Figures, resamples: int, seed: int) -> tuple[Lesson, ...]:
    """Each piece of advice, and whether it holds on these items."""
    fewer = _pair(found, "unsupported", found.tuned, found.retrieving, resamples, seed)
    form = _pair(found, "in form", found.tuned, found.untuned, resamples, seed)
    source = _pair(found, "sourced", found.retrieving, found.tuned, resamples, seed)
    return (
        _stale(found),
        Lesson(
            "Retrieval makes fewer things up than tuning.",
            _said(fewer, "answers that no document supports", found.tuned, found.retrieving),
            _held(fewer),
        ),
        Lesson(
            "Tuning teaches form and style, prompting does not.",
            _said(form, "answers in the wanted form", found.tuned, found.untuned),
            _held(form),
        ),
        _size(found),
        Lesson(
            "Retrieval shows its sources.",
            _said(source, "answers with a checked source", found.retrieving, found.tuned),
            _held(source),
        ),
    )


def _stale(found: Figures) -> Lesson:
    advice = "Where data change often, retrieve."
    there = [name for name in (found.retrieving, found.tuned) if name in found.stale]
    if not there or found.retrieving not in found.stale:
        return Lesson(advice, "no fact of the test could be changed", "not measured")
    told = "; ".join(
        f"{name} gives the old answer to {found.stale[name][0]:.0%} of "
        f"{found.stale[name][1]} changed facts"
        for name in there
    )
    if found.tuned not in found.stale:
        return Lesson(advice, told, "cannot tell")
    retrieving, tuned = (found.stale[n][0] for n in (found.retrieving, found.tuned))
    held: Held = "cannot tell"
    if tuned > 0 and abs(tuned - retrieving) * found.stale[found.tuned][1] >= 5:
        held = "holds here" if retrieving < tuned else "does not hold here"
    return Lesson(advice, told, held)


def _size(found: Figures) -> Lesson:
    advice = f"Tuning wants {ENOUGH_ROWS:,} rows or more; would more labels help?"
    told, curve = f"{found.rows:,} training rows", found.curve
    if not found.tuned or not found.rows:
        return Lesson(advice, told, "not measured")
    if curve is None:
        return Lesson(advice, told, "not measured")
    span = f"[{curve.low:+.2f}, {curve.high:+.2f}]"
    told += f"; the last step to all of them gave {curve.mean:+.2f} {span}"
    if curve.low > 0:
        return Lesson(advice, f"{told}: more would help", "holds here")
    if curve.high < found.margin:
        return Lesson(advice, f"{told}: more of the same would not help", "does not hold here")
    return Lesson(advice, told, "cannot tell")


def _pair(
    found: Figures, figure: str, first: str, second: str, resamples: int, seed: int
) -> Interval | None:
    """First minus second over the items where both apply."""
    values = found.values.get(figure, {})
    if not first or not second or first not in values or second not in values:
        return None
    rows = [
        (a - b, group)
        for a, b, group in zip(values[first], values[second], found.groups, strict=True)
        if a is not None and b is not None
    ]
    if not rows:
        return None
    return paired_bootstrap(
        np.asarray([value for value, _ in rows]),
        groups=[group for _, group in rows],
        resamples=resamples,
        seed=seed,
    )


def _held(pair: Interval | None) -> Held:
    if pair is None:
        return "not measured"
    if not pair.excludes_zero:
        return "cannot tell"
    return "holds here" if pair.mean > 0 else "does not hold here"


def _said(pair: Interval | None, what: str, first: str, second: str) -> str:
    if pair is None:
        return f"no two routes to compare by {what}"
    more = "more" if pair.mean >= 0 else "fewer"
    low, high = sorted((abs(pair.low), abs(pair.high)))
    if not pair.excludes_zero:
        return (
            f"{what}: {first} minus {second} {pair.mean:+.0%} [{pair.low:+.0%}, {pair.high:+.0%}]"
        )
    return f"{first} has {abs(pair.mean):.0%} [{low:.0%}, {high:.0%}] {more} {what} than {second}"
