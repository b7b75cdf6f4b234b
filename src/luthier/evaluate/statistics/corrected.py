"""A judge's labels on all items, corrected by people's labels on some of them.

A judge that errs the same way on every item gives a narrow interval around a wrong number. From the
items that people labelled too, its mean error is known, and taken off (prediction-powered
inference: Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science 382). How far the judge is
trusted is tuned to what it proved to be worth (Angelopoulos, Duchi & Zrnic 2023, "PPI++: efficient
prediction-powered inference"), so that a useless judge costs nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from luthier.core.statistics import Floats, Interval
from luthier.evaluate.statistics.student import t_quantile


@dataclasses.dataclass(frozen=True, slots=True)
class Corrected:
    """A mean corrected by labels.

    Attributes:
        interval: Of the true mean; ``n`` counts all items.
        trust: How far the judge is followed: 0 not at all, 1 wholly.
        judged: The judge's own mean over all items, uncorrected.
        labelled: The mean of people's labels alone, with its interval.
        bias: Mean of judge minus label on the labelled items, with its interval.
        worth: How many labels without a judge would give as narrow an interval.
    """

    interval: Interval
    trust: float
    judged: float
    labelled: Interval
    bias: Interval
    worth: float


def corrected_mean(
    labels: Sequence[float] | Floats,
    judged: Sequence[float] | Floats,
    rest: Sequence[float] | Floats,
    *,
    confidence: float = 0.95,
    trust: float | None = None,
) -> Corrected:
    """The true mean, from a judge on all items and people on some.

    For a difference of two routes give differences of labels and of judgements.

    Args:
        labels: What people said of the labelled items, which were drawn at random; at least two.
        judged: What the judge said of the same items.
        rest: What the judge said of all other items; may be empty.
        confidence: Coverage aimed at, between 0 and 1.
        trust: How far the judge is followed, 0 to 1; None tunes it to the narrowest interval.

    Raises:
        ValueError: Fewer than two labels, or not as many judgements of the same items.
    """
    truth, own, other = (np.asarray(v, dtype=np.float64) for v in (labels, judged, rest))
    n, more = len(truth), len(other)
    if n < 2 or len(own) != n:
        raise ValueError(f"{n} labels and {len(own)} judgements of them; at least two are needed")
    if trust is None:
        trust = _trust(truth, own, other)
    error = truth - trust * own
    mean = float(error.mean()) + (
        trust * float(other.mean()) if more else trust * float(own.mean())
    )
    variance = float(error.var(ddof=1)) / n if more else float(truth.var(ddof=1)) / n
    if more > 1:
        variance += trust**2 * float(other.var(ddof=1)) / more
    half = t_quantile((1 + confidence) / 2, n - 1) * math.sqrt(variance)
    alone = float(truth.var(ddof=1))
    return Corrected(
        Interval(mean, mean - half, mean + half, n + more),
        trust,
        float(np.concatenate([own, other]).mean()),
        _plain(truth, confidence),
        _plain(own - truth, confidence),
        alone / variance if variance > 0 else math.inf,
    )


def _trust(truth: Floats, own: Floats, other: Floats) -> float:
    """The weight that makes the variance least (PPI++, equation 6), within 0 to 1."""
    n, more = len(truth), len(other)
    every = float(np.concatenate([own, other]).var(ddof=1))
    if not more or every <= 0:
        return 0.0
    together = float(np.cov(truth, own)[0, 1])
    return min(1.0, max(0.0, together / ((1 + n / more) * every)))


def _plain(values: Floats, confidence: float) -> Interval:
    mean, n = float(values.mean()), len(values)
    half = t_quantile((1 + confidence) / 2, n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)
