"""What a run gives for figures of classes and of confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from luthier.core.statistics import Floats
from luthier.evaluate import metrics
from luthier.evaluate.scorers import classes, confidence as sure
from luthier.evaluate.scorers.options import picked
from luthier.evaluate.scorers.resampled import Weighed

if TYPE_CHECKING:
    from luthier.evaluate.runs.rows import RunRows
    from luthier.evaluate.suite import Item

RIGHT = ("accuracy", "exact_match")  # what confidence is held against
Found = list[tuple[str, Weighed, list[str]]]
"""Figures by name, with the group of each item that they are about."""


def of_classes(rows: RunRows, items: Sequence[Item]) -> Found:
    """Figures of labels, and of choices that all have the same options."""
    found: Found = []
    for kind in ("classification", "choice"):
        places = np.flatnonzero(rows.kinds == kind).tolist()
        sets = {frozenset(items[i].options) for i in places} if items else set()
        if not places or "accuracy" not in rows.scores or (kind == "choice" and len(sets) != 1):
            continue
        right = [metrics.normalise(rows.references[i]) for i in places]
        said = [
            own if rows.scores["accuracy"][i] == 1 else _label(rows, items, i)
            for i, own in zip(places, right, strict=True)
        ]
        groups = rows.groups[places].tolist()
        found += [("macro_f1", classes.macro_f1(right, said), groups)]
        found += [("matthews", classes.matthews(right, said), groups)]
        if kind == "choice" and all(rows.option_nats[i] for i in places):
            options = sorted(sets.pop())
            chances = np.array([_chances(items[i], rows.option_nats[i], options) for i in places])
            numbers = [options.index(rows.references[i]) for i in places]
            found += [("auroc", classes.macro_auroc(chances, numbers), groups)]
    return found


def _label(rows: RunRows, items: Sequence[Item], i: int) -> str:
    """The label of a wrong answer."""
    if rows.kinds[i] == "choice":
        return metrics.normalise(picked(items[i], rows.replies[i]) or "")
    return metrics.normalise(rows.replies[i])


def _chances(item: Item, nats: Sequence[float], options: Sequence[str]) -> list[float]:
    likely = np.exp(min(nats) - np.asarray(nats))
    own = dict(zip(item.options, (likely / likely.sum()).tolist(), strict=True))
    return [own[option] for option in options]


def of_confidence(rows: RunRows) -> Found:
    """Figures of how sure answers are, where they say so."""
    found = confident(rows)
    if found is None:
        return []
    confidence, right, places = found
    groups = rows.groups[places].tolist()
    return [
        ("calibration_error", sure.calibration_error(confidence, right), groups),
        ("aurc", sure.aurc(confidence, right), groups),
        ("confidence_auroc", classes.auroc(confidence, right.tolist()), groups),
    ]


def confident(rows: RunRows) -> tuple[Floats, sure.Bools, list[int]] | None:
    """How sure answers are, whether they are right, and which items these are.

    For ``scorers.confidence.reliability`` and ``risk_coverage``.

    Args:
        rows: A run.

    Returns:
        None where no answer says how sure it is.
    """
    if "confidence" not in rows.scores:
        return None
    values = rows.scores["confidence"]
    right = np.full(len(values), np.nan)
    for name in RIGHT:
        own = rows.scores.get(name, right)
        right = np.where(np.isnan(right), own, right)
    places = np.flatnonzero(~np.isnan(values) & ~np.isnan(right))
    if not len(places):
        return None
    return values[places], right[places] == 1, places.tolist()
