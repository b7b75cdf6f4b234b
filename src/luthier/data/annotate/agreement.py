"""How far annotators agree beyond chance, with bootstrap intervals over the rows.

Cohen's kappa: J. Cohen, *A coefficient of agreement for nominal scales*, 1960. Fleiss' kappa:
J. L. Fleiss, *Measuring nominal scale agreement among many raters*, 1971. Alpha: K. Krippendorff,
*Computing Krippendorff's alpha-reliability*, 2011. Intervals: percentiles of B. Efron's bootstrap,
drawing rows, since rows and not labels are the independent units.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from luthier.core.errors import DataError
from luthier.data.annotate.labels import Votes

Level = Literal["nominal", "ordinal", "interval"]
Counts = npt.NDArray[np.float64]
DRAWS = 1000
ALIKE = 20  # more identical answers than this, and no other, are told
_NAMES = {
    "krippendorff_alpha": "Krippendorff's alpha",
    "fleiss_kappa": "Fleiss' kappa",
    "cohen_kappa": "Cohen's kappa",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """One coefficient.

    Attributes:
        name: ``cohen_kappa``, ``fleiss_kappa``, ``krippendorff_alpha``.
        annotators: Whose labels.
        rows: How many rows it rests on.
        value: 1 is perfect, 0 what chance gives; NaN where all labels are the same.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    name: str
    annotators: tuple[str, ...]
    rows: int
    value: float
    low: float
    high: float

    def plain(self) -> dict[str, Any]:
        """As JSON; what is undefined is null."""
        told = dataclasses.asdict(self) | {"annotators": list(self.annotators)}
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in told.items()}


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Agreement of two annotators on the same rows; NaN where it is undefined.

    Raises:
        ValueError: There are not as many labels of the one as of the other.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} labels of the one, {len(second)} of the other")
    names = sorted({*first, *second})
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for a, b in zip(first, second, strict=True):
        table[place[a], place[b]] += 1
    return _kappa(table)


def fleiss_kappa(counts: Counts) -> float:
    """Agreement of n annotators, the same number for each row, not always the same people.

    Args:
        counts: [rows, labels]: how many gave the row the label.

    Raises:
        ValueError: Rows have different numbers of labels, or fewer than two.
    """
    counts = np.asarray(counts, dtype=np.float64)
    each = counts.sum(axis=1)
    if not len(counts) or each.min() != each.max() or each[0] < 2:
        raise ValueError("each row needs the same number of labels, at least two")
    n = each[0]
    observed = float(((counts**2).sum(axis=1) - n).mean() / (n * (n - 1)))
    expected = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return _beyond(observed, expected)


def krippendorff_alpha(
    counts: Counts, level: Level = "nominal", values: Sequence[float] | None = None
) -> float:
    """Agreement of any number of annotators with any number of missing labels.

    Args:
        counts: [rows, labels]: how many gave the row the label. The order of the columns is that
            of an ordinal scale. Rows with fewer than two labels say nothing and are passed over.
        level: ``nominal``: labels are equal or not. ``ordinal``: further apart in rank is worse.
            ``interval``: the difference of ``values`` counts, squared.
        values: The number each column stands for; needed at interval level.

    Returns:
        1 - observed / expected disagreement; NaN where nothing can be told.

    Raises:
        ValueError: ``values`` are missing or not as many as columns.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if level == "interval" and (values is None or len(values) != counts.shape[1]):
        raise ValueError("the interval level needs a number for each label")
    return _alpha(counts[counts.sum(axis=1) >= 2], level, np.asarray(values or [], dtype=float))


def interval(
    rows: int,
    statistic: Callable[[npt.NDArray[np.intp]], float],
    seed: int,
    *,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic over rows.

    Args:
        rows: How many there are.
        statistic: Called with the numbers of the rows drawn, with repeats.
        seed: Of the draws.
        draws: How many samples.
        confidence: Share of draws inside.

    Returns:
        Both ends; draws in which the statistic is undefined are passed over, NaN if all are.
    """
    chance = np.random.default_rng(seed)
    found = np.array([statistic(chance.integers(0, rows, rows)) for _ in range(draws)])
    found = found[~np.isnan(found)]
    if not len(found):
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)


def agreement(
    votes: Votes,
    labels: Sequence[str],
    *,
    level: Level = "nominal",
    seed: int = 0,
    draws: int = DRAWS,
) -> list[Agreement]:
    """All coefficients that the votes allow.

    Alpha over all rows with two labels or more; Fleiss' kappa over those with the most frequent
    number of labels; Cohen's kappa for each pair of annotators with a row in common.

    Args:
        votes: ``labels.votes_of`` of the labels that ``labels.in_scheme`` counts.
        labels: The scheme's labels, in the order of an ordinal scale.
        level: Scale of alpha.
        seed: Of the intervals.
        draws: Samples for each interval.

    Raises:
        DataError: The level is interval and a label is not a number.
    """
    values = _numbers(labels) if level == "interval" else None
    shared = [row for row in sorted(votes) if len(votes[row]) >= 2]
    if not shared:
        return []
    everyone = tuple(sorted({who for row in shared for who in votes[row]}))
    counts = _counts(votes, shared, labels)

    def alpha(drawn: npt.NDArray[np.intp]) -> float:
        return krippendorff_alpha(counts[drawn], level, values)

    found = [_measure("krippendorff_alpha", everyone, len(shared), alpha, seed, draws)]
    usual = Counter(len(votes[row]) for row in shared).most_common(1)[0][0]
    even = counts[counts.sum(axis=1) == usual]

    def fleiss(drawn: npt.NDArray[np.intp]) -> float:
        return fleiss_kappa(even[drawn])

    found.append(_measure("fleiss_kappa", everyone, len(even), fleiss, seed, draws))
    for pair in itertools.combinations(everyone, 2):
        both = [row for row in shared if set(pair) <= votes[row].keys()]
        if both:
            found.append(_pair(votes, both, labels, pair, seed, draws))
    return found


def table(found: Iterable[Agreement]) -> dict[str, dict[str, Any]]:
    """Coefficients by measure: value, ends of the interval, number of items.

    Args:
        found: From ``agreement``.
    """
    told: dict[str, dict[str, Any]] = {}
    for one in found:
        measure = _NAMES[one.name]
        if one.name == "cohen_kappa":
            measure += f", {one.annotators[0]} and {one.annotators[1]}"
        plain = one.plain()
        told[measure] = {key: plain[key] for key in ("value", "low", "high")}
        told[measure]["items"] = one.rows
    return told


def alike(votes: Votes, least: int = ALIKE) -> list[tuple[str, str, int]]:
    """Pairs of annotators who never differ on more than ``least`` rows, with the number of rows.

    They may agree; or they are one person under two names, who agrees with nobody but himself.
    """
    same: Counter[tuple[str, str]] = Counter()
    differ: set[tuple[str, str]] = set()
    for said in votes.values():
        for pair in itertools.combinations(sorted(said), 2):
            if said[pair[0]] == said[pair[1]]:
                same[pair] += 1
            else:
                differ.add(pair)
    return [(*pair, n) for pair, n in sorted(same.items()) if n > least and pair not in differ]


def _pair(
    votes: Votes,
    rows: Sequence[str],
    labels: Sequence[str],
    pair: tuple[str, str],
    seed: int,
    draws: int,
) -> Agreement:
    place = {name: i for i, name in enumerate(labels)}
    k = len(labels)
    cells = np.array([place[votes[r][pair[0]]] * k + place[votes[r][pair[1]]] for r in rows])

    def kappa(drawn: npt.NDArray[np.intp]) -> float:
        return _kappa(np.bincount(cells[drawn], minlength=k * k).reshape(k, k).astype(float))

    return _measure("cohen_kappa", pair, len(rows), kappa, seed, draws)


def _measure(
    name: str,
    annotators: tuple[str, ...],
    rows: int,
    statistic: Callable[[npt.NDArray[np.intp]], float],
    seed: int,
    draws: int,
) -> Agreement:
    value = statistic(np.arange(rows))
    return Agreement(name, annotators, rows, value, *interval(rows, statistic, seed, draws=draws))


def _kappa(table: Counts) -> float:
    total = table.sum()
    if not total:
        return math.nan
    expected = float(table.sum(axis=1) @ table.sum(axis=0) / total**2)
    return _beyond(float(np.trace(table) / total), expected)


def _beyond(observed: float, expected: float) -> float:
    return math.nan if expected >= 1 else (observed - expected) / (1 - expected)


def _alpha(counts: Counts, level: Level, values: Counts) -> float:
    """Krippendorff 2011, step D, from rows with at least two labels."""
    totals = counts.sum(axis=0)
    n = totals.sum()
    if n < 2:
        return math.nan
    apart = _distances(totals, level, values)
    expected = float(totals @ apart @ totals) / (n - 1)
    if expected == 0:
        return math.nan
    pairs = ((counts @ apart) * counts).sum(axis=1)
    observed = float((pairs / (counts.sum(axis=1) - 1)).sum())
    return float(1 - observed / expected)


def _distances(totals: Counts, level: Level, values: Counts) -> Counts:
    """Squared difference of each pair of labels."""
    k = len(totals)
    if level == "nominal":
        return 1 - np.eye(k)
    if level == "ordinal":
        values = np.cumsum(totals) - totals / 2  # sum from c to k less half of both ends
    return np.asarray((values[:, None] - values[None, :]) ** 2)


def _counts(votes: Votes, rows: Sequence[str], labels: Sequence[str]) -> Counts:
    place = {name: i for i, name in enumerate(labels)}
    counts = np.zeros((len(rows), len(labels)))
    for i, row in enumerate(rows):
        for label in votes[row].values():
            counts[i, place[label]] += 1
    return counts


def _numbers(labels: Sequence[str]) -> list[float]:
    try:
        return [float(label) for label in labels]
    except ValueError as error:
        raise DataError(
            f"agreement at interval level needs labels that are numbers: {error}",
            where="data.annotate.people.level",
            mend="Use `nominal`, or `ordinal` with the labels in their order.",
        ) from error
