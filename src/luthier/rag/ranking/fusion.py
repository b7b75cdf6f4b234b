"""Join the score lists of several searches into one.

Three ways. Reciprocal rank fusion reads ranks only (Cormack, Clarke and Büttcher 2009, "Reciprocal
rank fusion outperforms Condorcet and individual rank learning methods", k = 60). The convex
combination brings each list to 0..1 by its least and largest score and forgets how good the best
was. The calibrated one divides each list by the most that a passage could reach, the same for
every question of its kind (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval", arXiv:2210.11934, section 4: theoretical bounds): where no passage has many of the
question's words, words count less by themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, assert_never

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[Any]
"""Passages: rows of an index (integers) or ids (text), the same kind in all lists."""
Floats = npt.NDArray[np.float64]
Kind = Literal["words", "meaning"]
Fusion = Literal["reciprocal", "convex", "calibrated"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """What one search found.

    Attributes:
        kind: By words or by meaning; lists of one kind share its weight.
        keys: Passages, each once, best first.
        scores: Of each, larger is better.
        bound: The most that a passage could reach: for BM25 the sum of the idf of the question's
            words (times k1 + 1 where the scores have that factor), for a cosine 1. With 0 the
            best score stands in for it.
        weight: Against others of its kind, above 0: a rephrased question may count less.
        name: Shown in the trace; by default its kind.
    """

    kind: Kind
    keys: Keys
    scores: npt.NDArray[Any]
    bound: float = 0.0
    weight: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.scores):
            raise ValueError(f"{len(self.keys)} keys but {len(self.scores)} scores")
        if not self.weight > 0:
            raise ValueError("the weight of a leg must be above 0")

    @property
    def label(self) -> str:
        """Its name in the trace."""
        return self.name or self.kind


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """All candidates with one score each.

    Attributes:
        keys: Best first; equal scores in the order of the keys.
        scores: 0 to 1, of each (reciprocal ranks: at most 1 / (k + 1)).
        parts: What each leg gave to the score, shape (legs, keys).
        ranks: Place in each leg, from 1; 0 where the leg lacks it; shape (legs, keys).
    """

    keys: Keys
    scores: Floats
    parts: Floats
    ranks: npt.NDArray[np.int64]


def fused(
    legs: Sequence[Leg], how: Fusion, *, meaning_weight: float = 0.5, rrf_k: float = 60.0
) -> Fused:
    """Join score lists.

    Args:
        legs: At least one; empty ones give nothing, and the weight goes to the others.
        how: See the module.
        meaning_weight: Share of meaning against words, 0 to 1.
        rrf_k: What softens the first ranks in reciprocal rank fusion; above 0.
    """
    if not legs:
        raise ValueError("there is nothing to join")
    shares = _shares(legs, meaning_weight)
    keys = np.sort(np.concatenate([leg.keys for leg in legs]))
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))] if len(keys) else keys
    parts = np.zeros((len(legs), len(keys)))
    ranks = np.zeros((len(legs), len(keys)), np.int64)
    for index, leg in enumerate(legs):
        if len(leg.keys):
            at = np.searchsorted(keys, leg.keys)
            ranks[index, at] = np.arange(1, len(at) + 1)
            parts[index] = shares[index] * _values(leg, at, len(keys), how, rrf_k)
    scores = parts.sum(axis=0)
    order = np.argsort(-scores, kind="stable")
    return Fused(keys[order], scores[order], parts[:, order], ranks[:, order])


def _shares(legs: Sequence[Leg], meaning_weight: float) -> list[float]:
    """The weight of each leg; they add to 1, or all are 0 if every leg is empty."""
    kinds = {"words": 1.0 - meaning_weight, "meaning": meaning_weight}
    totals = {k: sum(one.weight for one in legs if one.kind == k and len(one.keys)) for k in kinds}
    there = {kind: share for kind, share in kinds.items() if totals[kind]}
    whole = sum(there.values())
    if there and not whole:  # all the weight is on a kind that found nothing
        there, whole = dict.fromkeys(there, 1.0), float(len(there))
    return [
        there[one.kind] / whole * one.weight / totals[one.kind] if len(one.keys) else 0.0
        for one in legs
    ]


def _values(leg: Leg, at: Keys, count: int, how: Fusion, rrf_k: float) -> Floats:
    """A leg's scores of all candidates, 0 to 1."""
    scores = np.asarray(leg.scores, np.float64)
    match how:
        case "reciprocal":
            lacking, own = 0.0, 1.0 / (rrf_k + np.arange(1, len(at) + 1))
        case "convex":
            low, high = scores.min(), scores.max()
            lacking = 0.0
            own = (scores - low) / (high - low) if high > low else np.ones(len(scores))
        case "calibrated":
            bound = leg.bound if leg.bound > 0 else float(scores.max())
            own = np.clip(scores / bound, 0.0, 1.0) if bound > 0 else np.zeros(len(scores))
            # A passage without the words scores 0 by them; one that is far by its meaning is
            # about as far as the last that was found.
            lacking = float(own.min()) if leg.kind == "meaning" else 0.0
        case _ as never:
            assert_never(never)
    values = np.full(count, lacking)
    values[at] = own
    return values
