"""Join two rankings into one, ids and scores in dictionaries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from luthier.rag.ranking import names
from luthier.rag.ranking.fusion import Kind, Leg, fused


def fuse(
    words: Mapping[str, float], dense: Mapping[str, float], dense_weight: float
) -> dict[str, float]:
    """The convex combination of two score lists, each brought to 0..1 by its least and largest.

    Args:
        words: BM25 scores by id.
        dense: Cosines by id.
        dense_weight: Share of the cosines, 0 to 1.

    Returns:
        Scores in 0..1 for every id in either list.
    """
    if not words and not dense:
        return {}
    found = fused(
        [_leg("words", words), _leg("meaning", dense)], "convex", meaning_weight=dense_weight
    )
    return dict(zip(found.keys.tolist(), found.scores.tolist(), strict=True))


def named(query: str, titles: Mapping[str, str]) -> dict[str, float]:
    """`luthier.rag.ranking.names.named`, by id."""
    scores = names.named(query, list(titles.values()))
    return dict(zip(titles, scores.tolist(), strict=True))


def ranked(scores: Mapping[str, float], k: int) -> list[tuple[str, float]]:
    """The ``k`` best ids with their scores; equal scores stand in the order of their ids."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]


def _leg(kind: Kind, scores: Mapping[str, float]) -> Leg:
    order = ranked(scores, len(scores))
    return Leg(kind, np.array([one for one, _ in order], np.str_), np.array([s for _, s in order]))
