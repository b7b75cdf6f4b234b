"""The items of a page: their texts, which of them to look at, and the table that filters read."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from luthier.core.statistics import Floats
from luthier.evaluate.pages.sides import FIRST, Together, is_lower
from luthier.evaluate.pages.sureness import confidences

_TITLE = 118  # characters
PICKED = 6  # of each sort
_LIMITS = (6000, 2000, 800, 300)  # characters of one text; fewer where there are many items
_ROOM = 5_000_000  # characters of all texts of a page
_BREAK = re.compile("\r\n?")
_CONTROL = re.compile("[^\t\n -\x7e\xa0-\U0010ffff]")
_FLAGS = {"length": "cut off", "context": "prompt too long", "error": "no answer"}


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """What one run said to an item.

    Attributes:
        run: Its place among the runs.
        reply: The answer, as far as it is shown.
        scores: By metric; what does not apply is absent.
        flag: ``cut off``, ``prompt too long``, ``no answer``, ``empty``, or "".
        error: Why there is no answer.
    """

    run: int
    reply: str
    scores: dict[str, float]
    flag: str
    error: str


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """One item as a page shows it.

    Attributes:
        id: Of the item.
        kind: What was asked for.
        group: The item's group; "" for one of its own.
        tags: Its tags.
        origin: Where it was read.
        turns: Role and text of each message.
        reference: What is right.
        metric: The metric that tells how good an answer is; "" for none.
        answers: Of each run.
    """

    id: str
    kind: str
    group: str
    tags: tuple[str, ...]
    origin: str
    turns: tuple[tuple[str, str], ...]
    reference: str
    metric: str
    answers: tuple[Answered, ...]

    @property
    def title(self) -> str:
        """The last turn in a line, of a long one its last paragraph: there the question stands.

        Where nothing was asked, the reference.
        """
        said = next((text for role, text in reversed(self.turns) if role == "user"), "")
        whole = (said or self.reference).strip()
        last = whole.rpartition("\n")[2]
        words = " ".join((last if len(whole) > _TITLE and len(last) > 14 else whole).split())
        return words[: _TITLE - 1] + "…" if len(words) > _TITLE else words


@dataclasses.dataclass(frozen=True, slots=True)
class Pick:
    """Items to look at, and why.

    Attributes:
        title: What they have in common.
        why: What to look for.
        items: The first of them.
        count: How many there are.
    """

    title: str
    why: str
    items: tuple[Shown, ...]
    count: int


def limit_of(side: Together) -> int:
    """Characters of one text that fit a page of so many items."""
    lengths = [
        length
        for run in side.runs
        for texts in (run.replies, run.prompts, run.references)
        for length in map(len, dict.fromkeys(texts))
    ]
    for limit in _LIMITS:
        if sum(min(length, limit) for length in lengths) <= _ROOM:
            return limit
    return _LIMITS[-1]


def shown(side: Together, item: int, limit: int) -> Shown:
    """One item with the answers of all runs.

    Args:
        side: The runs.
        item: Its place in the first run.
        limit: Characters of one text; what is left out is told.
    """
    run = side.first
    name, group = str(run.item_ids[item]), str(run.groups[item])
    return Shown(
        id=_clean(name),
        kind=str(run.kinds[item]),
        group="" if group == name else _clean(group),
        tags=tuple(map(_clean, run.tags[item])),
        origin=_clean(run.origins[item]),
        turns=tuple((_clean(role), _clip(text, limit)) for role, text in _turns(run.prompts[item])),
        reference=_clip(run.references[item], limit),
        metric=side.main[item],
        answers=tuple(_answered(side, i, item, limit) for i in range(len(side.runs))),
    )


def picks(side: Together, limit: int) -> list[Pick]:
    """Items worth a look: with one run the worst, with several those that changed."""
    quality = side.quality
    sorts = _of_several(side, quality) if len(side.runs) > 1 else _of_one(side, quality[0])
    told = []
    for title, why, places in sorts:
        items = tuple(shown(side, int(place), limit) for place in places[:PICKED])
        if items:
            told.append(Pick(title, why, items, len(places)))
    return told


def table(side: Together, limit: int) -> dict[str, Any]:
    """All items as the page's script reads them; a text that comes twice is kept once."""
    texts: dict[str, int] = {}
    metrics, quality = list(side.metrics), side.quality

    def kept(text: str) -> int:
        return texts.setdefault(text, len(texts))

    rows = []
    for place in range(len(side.first.item_ids)):
        one = shown(side, place, limit)
        turns = [[role, kept(text)] for role, text in one.turns]
        answers = [
            [
                kept(answer.reply),
                answer.flag,
                answer.error,
                [_short(answer.scores.get(name)) for name in metrics],
                _short(quality[answer.run, place]),
            ]
            for answer in one.answers
        ]
        own = metrics.index(one.metric) if one.metric else -1
        rows.append(
            [one.id, one.kind, one.group, list(one.tags), one.origin, one.title, turns,
             kept(one.reference), own, answers]
        )  # fmt: skip
    return {
        "runs": list(side.names),
        "metrics": metrics,
        "lower": [is_lower(name) for name in metrics],
        "texts": list(texts),
        "items": rows,
    }


def plain(side: Together, item: int) -> tuple[str, ...]:
    """An item in a line: what was asked, what is right, and each answer with its score."""
    one = shown(side, item, 300)
    cells = []
    for answer in one.answers:
        score = answer.scores.get(one.metric)
        said = answer.reply if answer.reply.strip() else answer.flag
        cells.append(said if score is None else f"{said} ({one.metric} {score:.3g})")
    return (f"{one.id}: {one.title}", one.reference, *cells)


def is_clipped(side: Together, limit: int) -> bool:
    """Whether a text is longer than the limit."""
    return any(
        len(text) > limit
        for run in side.runs
        for texts in (run.replies, run.prompts, run.references)
        for text in texts
    )


def _of_one(side: Together, quality: Floats) -> list[tuple[str, str, list[int]]]:
    wrong = _ranked(quality, lambda x: x < 1, quality)
    family = [name for name in side.metrics if name in FIRST]
    values = np.stack([side.scores(0, name) for name in family] or [np.full(len(quality), np.nan)])
    values[(values < 0) | (values > 1)] = np.nan
    with np.errstate(all="ignore"):
        spread = _over(np.max, values) - _over(np.min, values)
    apart = _ranked(-spread, lambda x: x <= -0.5, -spread)
    sure = confidences(side, 0)
    surest = _ranked(-sure, lambda x: x < 0, -np.where(quality == 0, sure, np.nan))
    flagged = [
        place
        for place in range(len(quality))
        if _answered(side, 0, place, 1).flag and side.first.kinds[place] != "text"
    ]
    return [
        ("Worst answers", "By the metric named beside each item.", wrong),
        ("Sure and wrong", "The likeliest option was far likelier than the others.", surest),
        ("Metrics disagree", "One calls the answer right, another wrong: look at the reference.",
         apart),
        ("Cut, empty or failed", "They count as they stand.", flagged),
    ]  # fmt: skip


def _of_several(side: Together, quality: Floats) -> list[tuple[str, str, list[int]]]:
    base, last = side.names[0], side.names[-1]
    off = quality[1:] - quality[0]
    down, up = _over(np.min, off), _over(np.max, off)
    mean, best = quality.mean(axis=0), _over(np.max, quality)
    spread = best - _over(np.min, quality)
    new = last if len(side.runs) == 2 else "another run"
    differing = [
        place
        for place in range(len(mean))
        if spread[place] == 0
        and mean[place] < 1
        and len({_answered(side, i, place, 200).reply for i in range(len(side.runs))}) > 1
    ]
    sorts = [
        ("Got worse", f"{new} scored lower than {base}.", _ranked(down, lambda x: x < 0, down)),
        ("Got better", f"{new} scored higher than {base}.", _ranked(-up, lambda x: x < 0, -up)),
        ("Other answer, same score", "Neither is quite right, each in its own way.", differing),
        ("Worst in all runs", "Nobody knows, or the reference is wrong.",
         _ranked(best, lambda x: x < 1, mean)),
    ]  # fmt: skip
    if len(side.runs) > 2:
        apart = _ranked(-spread, lambda x: x < 0, -spread)
        sorts.insert(2, ("Runs disagree", "The widest gap between best and worst run.", apart))
    return sorts


def _ranked(values: Floats, fits: Callable[[Floats], Any], order: Floats) -> list[int]:
    """Places whose value fits, lowest first; nan never fits."""
    with np.errstate(invalid="ignore"):
        there = np.flatnonzero(fits(values) & ~np.isnan(order))
    return [int(place) for place in there[np.argsort(order[there], kind="stable")]]


def _over(way: Callable[..., Any], values: Floats) -> Floats:
    """Over runs or metrics, those that are nan left out; nan where all are."""
    low = way is np.min
    filled = np.where(np.isnan(values), math.inf if low else -math.inf, values)
    found: Floats = way(filled, axis=0)
    return np.where(np.isinf(found), np.nan, found)


def _answered(side: Together, run: int, item: int, limit: int) -> Answered:
    held, place = side.runs[run], side.order[run][item]
    reply, kind = held.replies[place], held.kinds[place]
    flag = _FLAGS.get(str(held.finish_reasons[place]), "")
    chosen = bool(held.option_nats[place])
    if not flag and not reply.strip() and kind != "text" and not chosen:
        flag = "empty"
    values = {name: column[place] for name, column in held.scores.items()}
    return Answered(
        run,
        _clip(reply, limit),
        {name: float(value) for name, value in values.items() if not math.isnan(value)},
        flag,
        _clip(held.errors[place], 500),
    )


def _turns(prompt: str) -> Iterable[tuple[str, str]]:
    """Role and text of each message of a prompt."""
    try:
        messages = json.loads(prompt or "[]")
    except ValueError:
        return [("prompt", prompt)]
    return [_turn(message) for message in messages if isinstance(message, dict)]


def _turn(message: dict[str, Any]) -> tuple[str, str]:
    calls = message.get("tool_calls") or ""
    parts: Sequence[str] = (str(message.get("content") or ""), str(calls))
    return str(message.get("role", "")), "\n".join(part for part in parts if part)


def _clip(text: str, limit: int) -> str:
    if len(text) <= limit:
        return _clean(text)
    return _clean(text[:limit]) + f" … ({len(text) - limit:,} more characters)"


def _clean(text: str) -> str:
    """Text that UTF-8 can hold and a page can show: no halves of pairs, no control characters."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _BREAK.sub("\n", whole))


def _short(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(f"{value:.4g}")
