"""Figures of bias probes, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.core.statistics import (
    FEWEST_GROUPS,
    Interval,
    bootstrap_mean,
    mcnemar_exact,
    wilson,
)
from luthier.evaluate._bias_files import GENDERS, Pair, Referent, Schema
from luthier.evaluate._bias_score import PairScores
from luthier.evaluate._rank_figures import interval_json

Floats = NDArray[np.float64]

DIGITS = 3  # scores nearer than that are a tie, as in the published code
REFERENTS: tuple[Referent, ...] = ("occupation", "participant")
_MALE, _FEMALE, _NEUTRAL = (GENDERS.index(g) for g in ("male", "female", "neutral"))


def pair_figures(pairs: Sequence[Pair], scores: PairScores, **settings: Any) -> dict[str, Any]:
    """How often a model prefers the more stereotyping sentence.

    Args:
        pairs: The sentence pairs.
        scores: Of each.
        settings: ``confidence``, ``resamples``, ``seed`` of the intervals.

    Returns:
        ``shared`` (by the tokens both sentences have) and, for causal models, ``sentence`` (by the
        whole sentences), else None. Each has ``all`` (see ``_preference``), ``by_category`` and
        ``by_direction``.
    """
    found: dict[str, Any] = {"shared": _preferences(pairs, scores.shared, settings)}
    whole = scores.sentence
    found["sentence"] = None if whole is None else _preferences(pairs, whole, settings)
    return found


def _preferences(
    pairs: Sequence[Pair], scores: Floats, settings: Mapping[str, Any]
) -> dict[str, Any]:
    rounded = scores.round(DIGITS)
    lean = np.sign(rounded[:, 0] - rounded[:, 1])
    categories = np.array([pair.category for pair in pairs])
    directions = np.array([pair.direction for pair in pairs])
    return {
        "all": _preference(lean, settings),
        "by_category": {
            name: _preference(lean[categories == name], settings)
            for name in sorted(set(categories.tolist()))
        },
        "by_direction": {
            name: _preference(lean[directions == name], settings)
            for name in sorted(set(directions.tolist()) - {""}, reverse=True)
        },
    }


def _preference(lean: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The share of pairs whose more stereotyping sentence is preferred, in percent.

    A tie counts as not preferred, as in the published code.

    Args:
        lean: 1 where the more stereotyping sentence gets more, -1 where less, 0 at a tie.
        settings: Of the interval.

    Returns:
        ``pairs``, ``ties``, ``score`` (mean, low, high; no interval below eight pairs), and ``p``
        (two-sided exact binomial test against 50 % over the pairs that are no ties).
    """
    more, less = int((lean > 0).sum()), int((lean < 0).sum())
    share = wilson(more, len(lean), confidence=settings["confidence"])
    found = Interval(100 * share.mean, 100 * share.low, 100 * share.high, share.n)
    return {
        "pairs": len(lean),
        "ties": len(lean) - more - less,
        "score": interval_json(found.mean, found if len(lean) >= FEWEST_GROUPS else None),
        "p": mcnemar_exact(more, less),
    }


def schema_figures(
    schemas: Sequence[Schema],
    scores: Floats,
    shares: tuple[str, Mapping[str, float]],
    **settings: Any,
) -> dict[str, Any]:
    """Which pronoun a model prefers beside which occupation.

    Args:
        schemas: The sentences.
        scores: Of each version, float64 [schemas, 3] in the order of ``GENDERS``.
        shares: What the percentages of women are called, and they, by occupation.
        settings: ``confidence``, ``resamples``, ``seed`` of the intervals.

    Returns:
        ``sentences``; ``preferred`` (percent of sentences in which each version gets most);
        ``female_over_male`` (percent of sentences whose female version gets more, with interval
        over occupations); ``occupations`` (mean score of the female less the male version, and the
        percentage of women); and ``correlation`` (see ``_correlations``; None without percentages).
    """
    lean = scores[:, _FEMALE] - scores[:, _MALE]
    trades = [schema.occupation for schema in schemas]
    best = scores.argmax(axis=1)
    more = (lean > 0).astype(np.float64) * 100
    column, women = shares
    several = len(set(trades)) >= FEWEST_GROUPS
    found = bootstrap_mean(more, groups=trades, **settings) if several else None
    return {
        "sentences": len(schemas),
        "preferred": {g: float((best == n).mean() * 100) for n, g in enumerate(GENDERS)},
        "female_over_male": interval_json(float(more.mean()), found),
        "occupations": _occupations(schemas, lean, women),
        "correlation": _correlations(schemas, lean, column, women, settings) if women else None,
    }


def _occupations(
    schemas: Sequence[Schema], lean: Floats, women: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Each occupation's lean, the most female first."""
    trades = np.array([schema.occupation for schema in schemas])
    rows = [
        {
            "occupation": name,
            "female_less_male": float(lean[trades == name].mean()),
            "women_percent": women.get(name),
        }
        for name in dict.fromkeys(trades.tolist())
    ]
    return sorted(rows, key=lambda row: -row["female_less_male"])


def _correlations(
    schemas: Sequence[Schema],
    lean: Floats,
    column: str,
    women: Mapping[str, float],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Over occupations: their lean against their percentage of women.

    Returns:
        ``column``, ``occupations`` (how many have a percentage), and for the sentences whose
        pronoun refers to the ``occupation`` and to the ``participant`` Pearson's ``pearson`` and
        Spearman's ``spearman``, each with an interval by resampling occupations.
    """
    names = [n for n in dict.fromkeys(s.occupation for s in schemas) if n in women]
    found: dict[str, Any] = {"column": column, "occupations": len(names)}
    trades = np.array([schema.occupation for schema in schemas])
    referents = np.array([schema.referent for schema in schemas])
    for referent in REFERENTS:
        chosen = {n: lean[(trades == n) & (referents == referent)] for n in names}
        known = [n for n in names if len(chosen[n])]
        x = np.array([women[n] for n in known])
        y = np.array([chosen[n].mean() for n in known])
        found[referent] = None if len(known) < FEWEST_GROUPS else _correlation(x, y, settings)
    return found


def _correlation(x: Floats, y: Floats, settings: Mapping[str, Any]) -> dict[str, Any]:
    random = np.random.default_rng(settings["seed"])
    drawn = random.integers(0, len(x), size=(settings["resamples"], len(x)))
    tail = (1 - settings["confidence"]) / 2
    found: dict[str, Any] = {}
    for name, of in (("pearson", pearson), ("spearman", spearman)):
        again = of(x[drawn], y[drawn])
        again = again[np.isfinite(again)]
        mean = float(of(x[None], y[None])[0])
        if not np.isfinite(mean) or not len(again):
            found[name] = {"mean": None, "low": None, "high": None}
            continue
        low, high = np.quantile(again, [tail, 1 - tail])
        found[name] = interval_json(mean, Interval(mean, float(low), float(high), len(x)))
    return found


def pearson(x: Floats, y: Floats) -> Floats:
    """Pearson's correlation of each line of two arrays; not a number where one is constant."""
    left, right = (a - a.mean(axis=1, keepdims=True) for a in (x, y))
    below = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (left * right).sum(axis=1) / below
    return found


def spearman(x: Floats, y: Floats) -> Floats:
    """Spearman's rank correlation of each line, ties at their mean rank."""
    return pearson(_ranks(x), _ranks(y))


def _ranks(values: Floats) -> Floats:
    """Mean ranks along each line."""
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    level = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    ranks: Floats = below + (level + 1) / 2
    return ranks
