"""Does confidence mean anything? Calibration, and what is gained by answering only when sure."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from luthier.core.statistics import Floats, wilson
from luthier.data.annotate.calibrate import BINS
from luthier.evaluate.scorers.resampled import Weighed

Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True)
class Bin:
    """One point of a reliability plot.

    Attributes:
        n: How many answers were about so sure.
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
        low: Lower end of its interval (Wilson).
        high: Upper end.
    """

    n: int
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One point of a risk-coverage curve.

    Attributes:
        coverage: Share of items answered, the surest first.
        risk: Share of these answers that is wrong.
        confidence: From which confidence on they are answered.
    """

    coverage: float
    risk: float
    confidence: float


def reliability(
    confidence: Floats, right: Bools, *, bins: int = BINS, coverage: float = 0.95
) -> list[Bin]:
    """A reliability plot: how often answers are right, by how sure they were.

    Args:
        confidence: Of each answer, 0 to 1.
        right: Whether it is right.
        bins: Of equal width; those without answers are left out.
        coverage: Of the intervals.
    """
    place = _place(confidence, bins)
    found = []
    for one in range(bins):
        inside = place == one
        n = int(inside.sum())
        if n:
            share = wilson(int(right[inside].sum()), n, confidence=coverage)
            found.append(
                Bin(n, float(confidence[inside].mean()), share.mean, share.low, share.high)
            )
    return found


def calibration_error(confidence: Floats, right: Bools, *, bins: int = BINS) -> Weighed:
    """Expected calibration error (Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017).

    The mean distance of confidence and accuracy over bins of equal width, each weighed by its
    answers. Few answers make it too large: it counts their scatter too.

    Args:
        confidence: Of each answer, 0 to 1.
        right: Whether it is right.
        bins: How many.
    """
    surplus = np.zeros((len(confidence), bins))
    surplus[np.arange(len(confidence)), _place(confidence, bins)] = confidence - right

    def weighed(weights: Floats) -> Floats:
        found: Floats = np.abs(weights @ surplus).sum(axis=1) / weights.sum(axis=1)
        return found

    return weighed


def aurc(confidence: Floats, right: Bools) -> Weighed:
    """Area under the risk-coverage curve (Geifman & El-Yaniv 2017; Geifman et al. 2019).

    The mean, over all numbers of answers, of the share of wrong ones among so many of the surest.
    Less is better. Answers that are equally sure count as if in any order.

    Args:
        confidence: Of each answer.
        right: Whether it is right.
    """
    order, starts = _surest_first(confidence)
    wrong = 1.0 - right[order]

    def one(weights: Floats) -> float:
        counts = np.add.reduceat(weights[order], starts)
        errors = np.add.reduceat(weights[order] * wrong, starts)
        kept = counts > 0
        sizes, own = counts[kept].astype(np.int64), errors[kept]
        before = np.cumsum(own) - own
        last = np.cumsum(sizes)
        ranks = np.arange(1, int(last[-1]) + 1)
        block = np.repeat(np.arange(len(sizes)), sizes)
        inside = (ranks - (last - sizes)[block]) / sizes[block]
        return float(((before[block] + own[block] * inside) / ranks).mean())

    def weighed(weights: Floats) -> Floats:
        return np.array([one(row) for row in weights])

    return weighed


def risk_coverage(confidence: Floats, right: Bools, *, most: int = 200) -> list[Point]:
    """The curve: how many answers are wrong if only the surest are given.

    Args:
        confidence: Of each answer.
        right: Whether it is right.
        most: Points at most, evenly taken; the last one covers all answers.
    """
    order, starts = _surest_first(confidence)
    sizes = np.add.reduceat(np.ones(len(order)), starts)
    errors = np.add.reduceat(1.0 - right[order], starts)
    given = np.cumsum(sizes)
    risk, levels = np.cumsum(errors) / given, confidence[order][starts]
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(most, len(starts))).round().astype(int))
    return [Point(float(given[i] / len(order)), float(risk[i]), float(levels[i])) for i in chosen]


def _place(confidence: Floats, bins: int) -> npt.NDArray[np.int64]:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def _surest_first(confidence: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The order of answers, the surest first, and where each run of equally sure ones begins."""
    order = np.argsort(-confidence, kind="stable")
    held = confidence[order]
    starts = np.flatnonzero(np.concatenate([[True], held[1:] != held[:-1]]))
    return order, starts
