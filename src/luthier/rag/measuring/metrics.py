"""How good rankings are, question by question, as trec_eval computes it.

Every figure lies between 0 and 1, higher is better. A grade above 0 is relevant. A question
without anything relevant has no figure (nan): it says nothing about a search.

Sources: Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques" (nDCG, in
trec_eval's form: the gain is the grade, divided by log2(rank + 1)); Buckley and Voorhees 2000
(average precision); Voorhees 1999 (reciprocal rank).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from luthier.core.statistics import Interval

Floats = npt.NDArray[np.float64]
Metric = Literal["recall", "precision", "hit", "mrr", "map", "ndcg"]

DEFAULT = ("ndcg@10", "recall@5", "recall@10", "recall@100", "precision@5", "hit@1", "mrr", "map")
"""What is told by default."""


def gains(
    rankings: Sequence[Sequence[Hashable]], relevant: Sequence[Mapping[Any, float]]
) -> Floats:
    """The grade at each place of each ranking, shape (questions, longest ranking).

    A passage that stands in a ranking twice counts once, where it stands first.

    Args:
        rankings: What was found for each question, best first.
        relevant: Grades of what is relevant to each; grades of 0 or less count for nothing.
    """
    table = np.zeros((len(rankings), max(map(len, rankings), default=0)))
    for row, (ranking, grades) in enumerate(zip(rankings, relevant, strict=True)):
        open_ = {key for key, grade in grades.items() if grade > 0}
        for place, key in enumerate(ranking):
            if key in open_:
                table[row, place] = grades[key]
                open_.discard(key)
    return table


def score(
    rankings: Sequence[Sequence[Hashable]],
    relevant: Sequence[Mapping[Any, float]],
    metrics: Sequence[str] = DEFAULT,
) -> dict[str, Floats]:
    """Figures of each question, by the name of the metric.

    Args:
        rankings: What was found for each question, best first.
        relevant: Grades of what is relevant to each.
        metrics: ``recall@k``, ``precision@k`` (divided by k, also where fewer were found),
            ``hit@k`` (1 if any is relevant), ``mrr``, ``map`` and ``ndcg``; without ``@k`` the
            whole ranking counts.

    Returns:
        float64, shape (questions,); nan where nothing is relevant.

    Raises:
        ValueError: A metric is not known, or has a depth below 1.
    """
    table = gains(rankings, relevant)
    wanted = [sorted((g for g in grades.values() if g > 0), reverse=True) for grades in relevant]
    ideal = np.zeros((len(wanted), max(map(len, wanted), default=0)))
    for row, grades in enumerate(wanted):
        ideal[row, : len(grades)] = grades
    return {name: _figure(name, table, ideal) for name in metrics}


def parsed(name: str) -> tuple[Metric, int | None]:
    """The kind and the depth of a metric, such as ``("recall", 10)`` for ``recall@10``.

    Raises:
        ValueError: It is not known.
    """
    kind, _, depth = name.partition("@")
    match kind:
        case "recall" | "precision" | "hit" | "mrr" | "map" | "ndcg":
            pass
        case _:
            raise ValueError(f"there is no metric '{name}'")
    if "@" not in name:
        if kind == "precision":
            raise ValueError("precision needs a depth, such as precision@5")
        return kind, None
    if not depth.isdecimal() or int(depth) < 1:
        raise ValueError(f"the depth of '{name}' must be a whole number above 0")
    return kind, int(depth)


def quantile(
    values: Sequence[float] | Floats, share: float, *, confidence: float = 0.95
) -> Interval:
    """A quantile of independent values and its interval, free of any distribution.

    The ends are order statistics: how many values lie below the true quantile is binomial (Conover
    1999, "Practical Nonparametric Statistics", section 3.2; here by its normal approximation).
    With few values an end is the smallest or the largest of them.

    Args:
        values: At least one.
        share: Which quantile, 0 to 1: 0.95 for p95. It stands in ``mean``.
        confidence: Coverage aimed at, between 0 and 1.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n, z = len(ordered), NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * math.sqrt(n * share * (1 - share))
    low = max(0, math.floor(n * share - half) - 1)
    high = min(n - 1, math.ceil(n * share + half))
    at = float(np.quantile(ordered, share))
    return Interval(at, float(ordered[low]), float(ordered[high]), n)


def _figure(name: str, table: Floats, ideal: Floats) -> Floats:
    kind, depth = parsed(name)
    count = (ideal > 0).sum(axis=1)
    cut = table[:, :depth]
    hits = cut > 0
    places = np.arange(1, cut.shape[1] + 1)
    match kind:
        case "recall":
            made = hits.sum(axis=1) / np.maximum(count, 1)
        case "precision":
            made = hits.sum(axis=1) / (depth or 1)
        case "hit":
            made = hits.any(axis=1).astype(np.float64)
        case "mrr":
            made = (hits / places).max(axis=1, initial=0.0)
        case "map":
            made = (hits * np.cumsum(hits, axis=1) / places).sum(axis=1) / np.maximum(count, 1)
        case "ndcg":
            best = ideal[:, :depth]
            whole = (best / np.log2(np.arange(2, best.shape[1] + 2))).sum(axis=1)
            found = (cut / np.log2(places + 1)).sum(axis=1)
            made = found / np.where(whole > 0, whole, 1.0)
    return np.where(count > 0, made, np.nan)
