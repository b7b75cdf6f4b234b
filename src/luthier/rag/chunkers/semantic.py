"""Passages that end where the meaning changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.spec import Spec
from luthier.models.encode import Vectors
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers._span import Span
from luthier.rag.chunkers.sentences import fitting_sentences
from luthier.rag.chunkers.tokens import SIZE

Embed = Callable[[Sequence[str]], Vectors]
"""Vectors of length 1 for texts, as `Encoder.encode` gives them."""

_SENTENCES = 2048  # whose vectors are held at once
_CRUMB = 4  # a piece holds at least this part of the size, if it can


class SemanticChunks(Spec):
    """Borders where neighbouring sentences' vectors differ most (after Kamradt 2023)."""

    kind: Literal["semantic"] = "semantic"
    chunk_size: int = Field(SIZE, ge=16, le=2048)
    """Most tokens of a passage, as the encoder counts them; less where the encoder reads less."""
    percentile: float = Field(95.0, ge=0.0, le=100.0)
    """A border stands between sentences whose distance is above this percentile of all distances
    of the document; passages that are too long then are cut at their largest distance."""
    buffer: int = Field(1, ge=0, le=10)
    """Sentences on each side of a place that are embedded together."""


def semantic_spans(
    measure: Measure, embed: Embed, *, size: int, percentile: float, buffer: int
) -> Iterator[Span]:
    """Cut a text between sentences that differ.

    For each place between two sentences, the ``buffer + 1`` sentences before it and those behind
    it are embedded, and their cosine distance is taken.

    Args:
        measure: The text.
        embed: Makes vectors.
        size: Most tokens of a span.
        percentile: See `SemanticChunks`.
        buffer: See `SemanticChunks`.
    """
    found = fitting_sentences(measure, 0, len(measure.text), size)
    for first in range(0, len(found), _SENTENCES):
        part = found[first : first + _SENTENCES]
        distances = _distances(measure.text, part, embed, buffer)
        limit = float(np.percentile(distances, percentile)) if len(distances) else 0.0
        yield from _pieces(measure, part, distances, limit, size)


def _distances(
    text: str, sentences: Sequence[tuple[int, int]], embed: Embed, buffer: int
) -> npt.NDArray[np.float32]:
    """Cosine distance at each place between two sentences."""
    count = len(sentences)
    if count < 2:
        return np.zeros(0, np.float32)
    width = min(buffer + 1, count - 1)
    groups = [text[sentences[i][0] : sentences[min(i + width, count) - 1][1]] for i in range(count)]
    # a group that would begin before the first sentence is embedded apart
    heads = [text[sentences[0][0] : sentences[i - 1][1]] for i in range(1, width)]
    vectors = embed([*heads, *groups])
    before = vectors[: count - 1]  # heads, then the groups that end at each place
    behind = vectors[len(heads) + 1 :]
    distances: npt.NDArray[np.float32] = np.float32(1.0) - (before * behind).sum(axis=1)
    return distances


def _pieces(
    measure: Measure,
    sentences: Sequence[tuple[int, int]],
    distances: npt.NDArray[np.float32],
    limit: float,
    size: int,
) -> Iterator[Span]:
    """Cut at the largest distance, again and again, until nothing is too long or too different."""
    waiting = [(0, len(sentences))]
    while waiting:
        first, past = waiting.pop()
        start, end = sentences[first][0], sentences[past - 1][1]
        fits = measure.fits(start, end, size)
        place = (
            _place(measure, sentences, distances, (first, past), size) if past - first > 1 else 0
        )
        if place and (not fits or distances[place - 1] > limit):
            waiting += [(place, past), (first, place)]  # the first half comes first
        else:
            yield Span(start, end)


def _place(
    measure: Measure,
    sentences: Sequence[tuple[int, int]],
    distances: npt.NDArray[np.float32],
    span: tuple[int, int],
    size: int,
) -> int:
    """The sentence before which sentences differ most; 0 if any cut would leave a crumb."""
    first, past = span
    starts = measure.starts.searchsorted([s for s, _ in sentences[first:past]])
    total = measure.index(sentences[past - 1][1]) - starts[0]
    before = starts[1:] - starts[0]
    least = min(size // _CRUMB, total // 3)
    allowed = np.minimum(before, total - before) >= least
    if not allowed.any():
        if total <= size:
            return 0
        allowed = np.ones(len(before), bool)
    inner = np.where(allowed, distances[first : past - 1], -np.inf)
    return first + 1 + int(inner.argmax())
