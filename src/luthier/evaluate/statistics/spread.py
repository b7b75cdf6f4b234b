"""How much a figure moves when a model is tuned or asked once more, and differences read by it.

An interval over items says what other items would change. It is silent about other seeds: two runs
of one recipe differ as well, and a difference smaller than that is noise whatever its interval.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from luthier.core.statistics import Floats, Interval
from luthier.evaluate.statistics.student import t_cdf, t_quantile


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """Runs of one recipe on the same items.

    Attributes:
        mean: Over runs and items.
        training_sd: Between trainings (one run of each); None with fewer than two trainings.
        decoding_sd: Between runs of one training; None where none was asked twice.
        between_sd: Between runs, whatever the reason; None with one run.
        items_se: Standard error from the choice of items, grouping included.
        runs: How many there are.
        noise: Two single runs of this recipe differ by more than this in one case of twenty; None
            with one run.
    """

    mean: float
    training_sd: float | None
    decoding_sd: float | None
    between_sd: float | None
    items_se: float
    runs: int
    noise: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """A mean, or a difference of two, read against items and seeds at once.

    Attributes:
        interval: Holds for other items and other seeds.
        se: Standard error from both.
        df: Degrees of freedom of Student's t.
    """

    interval: Interval
    se: float
    df: float

    def above(self, bound: float) -> float:
        """One-sided p-value against "the true mean is at most the bound"."""
        return self._p(self.interval.mean - bound)

    def below(self, bound: float) -> float:
        """One-sided p-value against "the true mean is at least the bound"."""
        return self._p(bound - self.interval.mean)

    def _p(self, gap: float) -> float:
        if self.se > 0:
            return t_cdf(-gap / self.se, self.df)
        return 0.0 if gap > 0 else 1.0


def spread(
    runs: Floats, *, trainings: Sequence[str] | None = None, groups: Sequence[str] | None = None
) -> Spread:
    """How much the mean score differs from run to run.

    The parts of the variance are those of a nested design (Searle, Casella & McCulloch 1992,
    "Variance Components", section 3.3); a part estimated below zero is zero.

    Args:
        runs: Scores, shape (runs, items); every run has the same items.
        trainings: Which training each run asked; without it each run is one of its own.
        groups: The group of each item.
    """
    means, number = runs.mean(axis=1), len(runs)
    names = list(trainings) if trainings is not None else [str(i) for i in range(number)]
    held = {name: means[[i for i, n in enumerate(names) if n == name]] for name in set(names)}
    within = sum(float(((own - own.mean()) ** 2).sum()) for own in held.values())
    free = number - len(held)
    decoding = within / free if free else None
    training = None
    if len(held) > 1:
        sizes = np.array([len(own) for own in held.values()])
        off = sum(len(own) * float(own.mean() - means.mean()) ** 2 for own in held.values())
        usual = (number - (sizes**2).sum() / number) / (len(held) - 1)
        training = max(0.0, (off / (len(held) - 1) - (decoding or 0.0)) / usual)
    between = float(means.var(ddof=1)) if number > 1 else None
    total = (training or 0.0) + (decoding or 0.0) if number > 1 else None
    reach = NormalDist().inv_cdf(0.975) * math.sqrt(2)
    return Spread(
        float(means.mean()),
        _root(training),
        _root(decoding),
        _root(between),
        math.sqrt(_items_variance(runs.mean(axis=0), groups)[0]),
        number,
        None if total is None else reach * math.sqrt(total),
    )


def mean_of_runs(
    runs: Floats, *, groups: Sequence[str] | None = None, confidence: float = 0.95
) -> Judged:
    """The mean over runs and items, with an interval for other items and other seeds.

    Args:
        runs: As in ``spread``; each row from a seed of its own.
        groups: The group of each item; at least two of them.
        confidence: Coverage aimed at, between 0 and 1.
    """
    return _judged(runs.mean(axis=0), [runs], groups, confidence)


def difference_of_runs(
    first: Floats,
    second: Floats,
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Judged:
    """First minus second, with an interval for other items and other seeds.

    The variance is that over items plus that over each side's runs; degrees of freedom by
    Satterthwaite (1946). What runs and items share is counted in both, so that it errs to the wide
    side.

    Args:
        first: Scores, shape (runs, items).
        second: Scores of the same items, shape (its runs, items).
        groups: As in ``mean_of_runs``.
        confidence: As in ``mean_of_runs``.
    """
    return _judged(first.mean(axis=0) - second.mean(axis=0), [first, second], groups, confidence)


def _judged(
    items: Floats, sides: Sequence[Floats], groups: Sequence[str] | None, confidence: float
) -> Judged:
    parts = [_items_variance(items, groups)]
    for runs in sides:
        if len(runs) > 1:
            parts.append((float(runs.mean(axis=1).var(ddof=1)) / len(runs), len(runs) - 1))
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / df for variance, df in parts)
    df = total**2 / squares if squares > 0 else math.inf
    mean, se = float(items.mean()), math.sqrt(total)
    half = t_quantile((1 + confidence) / 2, df) * se
    return Judged(Interval(mean, mean - half, mean + half, len(items)), se, df)


def _items_variance(items: Floats, groups: Sequence[str] | None) -> tuple[float, int]:
    """Variance of the mean over items, and its degrees of freedom."""
    off = items - items.mean()
    if groups is not None:
        _, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
        off = np.bincount(members, weights=off)
    number = len(off)
    if number < 2:
        raise ValueError("a spread needs at least two items, and two groups")
    return float(off @ off) * number / (number - 1) / len(items) ** 2, number - 1


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)
