"""What a page of runs says in sentences: what was found, and what a reader could overlook."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from luthier.core.statistics import Interval
from luthier.evaluate.gates.told import number
from luthier.evaluate.pages.numbers import Difference, Line
from luthier.evaluate.pages.sides import Together
from luthier.evaluate.scorers.confidence import Bin

_SENTENCES = 6


def figure(value: float) -> str:
    """A figure as a table shows it: three digits behind the point, fewer of large ones."""
    size = abs(value)
    text = number(value) if size < 10 else f"{value:,.{1 if size < 100 else 0}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def ends(interval: Interval | Bin) -> str:
    """The ends of an interval: ``0.390 to 0.450``."""
    if math.isinf(interval.high):
        return "unknown" if math.isinf(interval.low) else f"{figure(interval.low)} or more"
    return f"{figure(interval.low)} to {figure(interval.high)}"


def signed(value: float) -> str:
    """A difference with its sign."""
    text = figure(value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def headline(side: Together, lines: Sequence[Line], differences: Sequence[Difference]) -> list[str]:
    """What was found, by the metrics that tell how good answers are; the most telling first."""
    telling = set(side.main)
    if len(side.runs) == 1:
        told = [
            f"{line.label}: {figure(cell.mean)}, {side.confidence * 100:g} % interval "
            f"{ends(cell)}, {cell.n:,} items."
            for line in sorted(lines, key=lambda line: -line.same)
            if line.label in telling and (cell := line.cells[0])
        ]
    else:
        ranked = sorted(
            (one for one in differences if one.metric in telling),
            key=lambda one: (
                ["better", "worse", "cannot tell"].index(one.outcome),
                -abs(one.interval.mean),
            ),
        )
        told = [_compared(side, one, lines) for one in ranked]
    if not told:
        return ["No metric applies to these items."]
    left = len(told) - _SENTENCES
    return [*told[:_SENTENCES], *([f"And {left} more below."] if left > 0 else [])]


def apart(one: Difference) -> str:
    """Whether a difference is told, as a clause."""
    if one.outcome != "cannot tell":
        return one.outcome
    if one.needed is None or one.interval.mean == 0:
        return "cannot tell"
    more = one.needed - one.interval.n
    items = "item" if more == 1 else "items"
    return f"cannot tell: {more:,} more {items} would" if more > 0 else "cannot tell"


def notices(side: Together) -> list[str]:
    """What a reader of the numbers must know and could overlook."""
    told, items = [], len(side.first.item_ids)
    for run, name in zip(side.runs, side.names, strict=True):
        reasons = Counter(run.finish_reasons.tolist())
        empty = sum(
            not reply.strip() and kind != "text" and reason not in ("context", "error")
            for reply, kind, reason in zip(
                run.replies, run.kinds.tolist(), run.finish_reasons.tolist(), strict=True
            )
        ) - sum(bool(nats) and not reply.strip()
                for nats, reply in zip(run.option_nats, run.replies, strict=True))  # fmt: skip
        for count, words in (
            (reasons["length"], "were cut off at the limit of tokens"),
            (reasons["context"], "prompts did not fit the context; they count as wrong"),
            (reasons["error"], "have no answer; they count as wrong"),
            (empty, "answers are empty"),
        ):
            if count > 0:
                told.append(f"{name}: {count:,} of {items:,} {words}.")
    unscored = side.main.count("")
    if unscored:
        told.append(f"{unscored:,} of {items:,} items have no score: no metric applies to them.")
    groups = len(np.unique(side.first.groups))
    if groups < items:
        told.append(
            f"The {items:,} items stand in {groups:,} groups that go right or wrong together; "
            "intervals reckon with that."
        )
    return told


def _compared(side: Together, one: Difference, lines: Sequence[Line]) -> str:
    line = next(line for line in lines if line.label == one.metric)
    base, other = side.names[0], side.names[one.run]
    by = (
        f"by {signed(one.interval.mean)}, {side.confidence * 100:g} % interval {ends(one.interval)}"
    )
    means = [figure(cell.mean) for cell in (line.cells[0], line.cells[one.run]) if cell]
    seen = f"{one.metric} {' to '.join(means)}, {by}"
    if one.outcome == "cannot tell":
        return f"{other} and {base}: {apart(one)} ({seen})."
    return f"{other} is {one.outcome} than {base}: {seen}."
