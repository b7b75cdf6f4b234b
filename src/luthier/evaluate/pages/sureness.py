"""How sure answers are, and whether they are right: reliability, and risk against coverage."""

from __future__ import annotations

import dataclasses

import numpy as np

from luthier.core.statistics import Floats, Interval, wilson
from luthier.evaluate.pages.sides import Together

BINS = 10
_FEWEST = 5  # of a picture
_POINTS = 160  # of a curve


@dataclasses.dataclass(frozen=True, slots=True)
class Sureness:
    """Confidence and correctness of one run.

    Attributes:
        run: Its place among the runs.
        n: Items with a confidence.
        bins: Mean confidence in a tenth, and the share of right answers there.
        curve: Share of items answered, and share of wrong answers among them: surest first.
    """

    run: int
    n: int
    bins: tuple[tuple[float, Interval], ...]
    curve: tuple[tuple[float, float], ...]


def confidences(side: Together, run: int) -> Floats:
    """How sure each answer is, between 0 and 1; nan where that is not known.

    The confidence of a choice is the share of the likeliest option among all options' likelihood.
    """
    held = side.runs[run].option_nats
    found = np.full(len(held), np.nan)
    for i, place in enumerate(side.order[run]):
        if held[place]:
            losses = np.asarray(held[place])
            likely = np.exp(losses.min() - losses)
            found[i] = likely.max() / likely.sum()
    return found


def sureness(side: Together) -> list[Sureness]:
    """Of each run that tells how sure its answers are, and has at least five such items."""
    told = []
    for run in range(len(side.runs)):
        sure, right = confidences(side, run), side.scores(run, "accuracy")
        there = ~(np.isnan(sure) | np.isnan(right))
        if there.sum() >= _FEWEST:
            bins = _bins(sure[there], right[there], side.confidence)
            told.append(Sureness(run, int(there.sum()), bins, _curve(sure[there], right[there])))
    return told


def _bins(sure: Floats, right: Floats, confidence: float) -> tuple[tuple[float, Interval], ...]:
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    told = []
    for place in range(BINS):
        own = places == place
        if own.any():
            share = wilson(int(right[own].sum()), int(own.sum()), confidence=confidence)
            told.append((float(sure[own].mean()), share))
    return tuple(told)


def _curve(sure: Floats, right: Floats) -> tuple[tuple[float, float], ...]:
    """Answers of one confidence are taken together: no order of theirs is better than another."""
    order = np.argsort(-sure, kind="stable")
    counts = np.arange(1, len(order) + 1)
    risk = np.cumsum(1 - right[order]) / counts
    last = np.append(np.diff(sure[order]) != 0, True)
    places = np.flatnonzero(last)
    if len(places) > _POINTS:
        places = places[np.linspace(0, len(places) - 1, _POINTS).round().astype(int)]
    return tuple((float(counts[i] / len(order)), float(risk[i])) for i in places)
