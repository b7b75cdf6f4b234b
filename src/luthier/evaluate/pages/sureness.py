"""How sure answers are, and whether they are right: what the plots of a page draw."""

from __future__ import annotations

import dataclasses

import numpy as np

from luthier.core.statistics import Floats
from luthier.evaluate.pages.sides import Together
from luthier.evaluate.scorers.confidence import Bin, Point, reliability, risk_coverage
from luthier.evaluate.scorers.over_items import confident

_FEWEST = 5  # of a picture


@dataclasses.dataclass(frozen=True, slots=True)
class Sureness:
    """Confidence and correctness of one run.

    Attributes:
        run: Its place among the runs.
        n: Answers with a confidence.
        bins: Of the reliability plot.
        curve: Risk by coverage, the surest first.
    """

    run: int
    n: int
    bins: tuple[Bin, ...]
    curve: tuple[Point, ...]


def confidences(side: Together, run: int) -> Floats:
    """How sure each answer is, between 0 and 1; nan where that is not known."""
    return side.scores(run, "confidence")


def sureness(side: Together) -> list[Sureness]:
    """Of each run that tells how sure its answers are, and has at least five such answers."""
    told = []
    for i, run in enumerate(side.runs):
        found = confident(run)
        if found is not None and len(found[2]) >= _FEWEST:
            sure, right = np.clip(found[0], 0.0, 1.0), found[1]
            bins = tuple(reliability(sure, right, coverage=side.confidence))
            told.append(Sureness(i, len(sure), bins, tuple(risk_coverage(sure, right))))
    return told
