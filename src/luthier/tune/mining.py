"""Hard negatives: passages that look right for a question and are not known to be."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np

from luthier.core.errors import DataError
from luthier.core.records import Example, Message
from luthier.models.encode import Vectors

_DEPTH = 100  # nearest passages that are looked at


def hard_negatives(
    questions: Vectors,
    passages: Vectors,
    positives: Sequence[Collection[int]],
    *,
    count: int,
    margin: float = 0.95,
    lexical: Sequence[Sequence[int]] | None = None,
) -> list[list[int]]:
    """For each question the passages nearest to it that are not its answer.

    A passage nearly as near as the answer is often an answer that nobody marked; those nearer than
    ``margin`` of the nearest answer's similarity are left out (Moreira et al. 2024, TopK-PercPos).

    Args:
        questions: float32 [questions, dimension], of length 1.
        passages: float32 [passages, dimension], of length 1.
        positives: Numbers of the passages that answer each question; at least one.
        count: How many for each question; fewer where there are no more.
        margin: Share of the best answer's similarity.
        lexical: Numbers of the passages that a search by words finds, best first; they take turns
            with the nearest ones.

    Returns:
        Numbers of passages, hardest first.

    Raises:
        DataError: A question has no answer.
    """
    found = []
    depth = min(_DEPTH + count, len(passages))
    for number, own in enumerate(positives):
        if not own:
            raise DataError("a question has no passage that answers it", where=f"row {number}")
        similar = passages @ questions[number]
        near = np.argpartition(-similar, depth - 1)[:depth]
        near = near[np.argsort(-similar[near], kind="stable")]
        best = max(float(similar[i]) for i in own)
        limit = best * margin if best > 0 else best
        barred = set(own)
        words = [] if lexical is None else list(lexical[number])
        taken: dict[int, None] = {}
        for place in _in_turn(near.tolist(), words):
            if place not in barred and similar[place] <= limit:
                taken[place] = None
            if len(taken) == count:
                break
        found.append(list(taken))
    return found


def _in_turn(one: Sequence[int], other: Sequence[int]) -> list[int]:
    merged = []
    for place in range(max(len(one), len(other))):
        merged += [*one[place : place + 1], *other[place : place + 1]]
    return merged


def with_negatives(
    examples: Sequence[Example], texts: Sequence[str], found: Sequence[Sequence[int]]
) -> list[Example]:
    """Rows that carry their hard negatives: each is a turn of ``rejected``.

    Args:
        examples: Questions with their answers.
        texts: Of all passages.
        found: As `hard_negatives` returns them.
    """
    return [
        dataclasses.replace(
            row,
            rejected=(*row.rejected, *(Message("assistant", texts[i]) for i in numbers)),
        )
        for row, numbers in zip(examples, found, strict=True)
    ]
