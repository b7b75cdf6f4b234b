"""Passages that say different things before those that say the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from luthier.rag.ranking.fusion import Floats
from luthier.rag.reading.terms import stems


def diverse(
    scores: Floats, vectors: npt.NDArray[np.float32], diversity: float, k: int
) -> list[int]:
    """An order by maximal marginal relevance.

    Each next passage is the one with the largest (1 - diversity) * score - diversity * its largest
    cosine to those before it (Carbonell and Goldstein 1998, "The use of MMR"), scores brought to
    0..1 by the least and largest of them.

    Args:
        scores: Of the candidates, best first.
        vectors: Of each, of length 1.
        diversity: 0 (by score alone) to 1.
        k: How many are wanted.

    Returns:
        Places of at most ``k`` candidates; of equals the earlier one first.
    """
    count = len(scores)
    if not count or k < 1:
        return []
    low, high = float(scores.min()), float(scores.max())
    worth = (scores - low) / (high - low) if high > low else np.ones(count)
    nearest = np.full(count, -np.inf)
    open_ = np.ones(count, bool)
    order: list[int] = []
    while len(order) < min(k, count):
        alike = np.where(np.isfinite(nearest), nearest, 0.0)
        value = np.where(open_, (1.0 - diversity) * worth - diversity * alike, -np.inf)
        best = int(value.argmax())
        order.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return order


def bags(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Stand-ins for vectors where there are none: which words each text has, of length 1.

    Their cosine is the shared words over the root of the product of their numbers.
    """
    own = [stems(text) for text in texts]
    place = {word: at for at, word in enumerate(sorted(frozenset().union(*own)))}
    made = np.zeros((len(texts), max(1, len(place))), np.float32)
    for row, words in enumerate(own):
        made[row, [place[word] for word in words]] = 1.0 / max(1.0, len(words) ** 0.5)
    return made
