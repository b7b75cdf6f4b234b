"""The tools of a query within a viewer's slice of an index.

Whatever a step asks of the index, it asks of the slice: a question is made ready as if the passages
that the viewer may not see were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from luthier.models.generate import Generate
from luthier.rag.access import Slice
from luthier.rag.queries.linear_map import LinearMap
from luthier.rag.queries.spelling import Speller
from luthier.rag.query import Tools
from luthier.rag.search.stored import vectors_found

if TYPE_CHECKING:
    from luthier.rag.search.stored import AnyLegs

Vectors = npt.NDArray[np.float32]


def within(
    legs: AnyLegs,
    part: Slice,
    *,
    encode: Callable[[Sequence[str]], Vectors] | None = None,
    speller: Speller | None = None,
    known: Callable[[str], bool] | None = None,
    model: Generate | None = None,
    linear_map: LinearMap | None = None,
) -> Tools:
    """Tools that see no more than a slice.

    Args:
        legs: The index.
        part: Where the viewer may look.
        encode: Vectors of questions; without it no step works on vectors.
        speller: Made of all words of the index; it proposes those of the slice.
        known: See `Speller.mend`.
        model: For the steps that ask one.
        linear_map: For the step ``map``.
    """
    words: dict[str, int] = {}

    def frequency(word: str) -> int:
        # a word that is nowhere as it is written may be found by its stem
        return words.get(word) or len(legs.lexical(word, 1, part))

    def nearest(vector: Vectors, count: int) -> Vectors:
        return vectors_found(legs, legs.dense(vector, count, part).rows, part)

    if speller is not None:
        words = legs.vocabulary(part)
    return Tools(
        encode=encode,
        nearest=nearest if legs.dimension else None,
        speller=speller,
        frequency=frequency,
        known=known,
        model=model,
        map=linear_map,
    )
