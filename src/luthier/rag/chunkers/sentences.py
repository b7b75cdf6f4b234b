"""Passages of few sentences, shown with those around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from luthier.core.spec import Spec
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers._sentences import sentence_spans
from luthier.rag.chunkers._span import Span
from luthier.rag.chunkers.tokens import SIZE, token_spans


class SentenceChunks(Spec):
    """Sentence windows: what is found is small, what is read is larger."""

    kind: Literal["sentences"] = "sentences"
    sentences: int = Field(2, ge=1, le=100)
    """Sentences of a passage; fewer where they pass chunk_size."""
    around: int = Field(2, ge=0, le=100)
    """Sentences shown before and behind a passage in the prompt."""
    chunk_size: int = Field(SIZE, ge=16, le=2048)
    """Most tokens of a passage; a longer sentence is cut."""


def sentence_windows(measure: Measure, *, sentences: int, around: int, size: int) -> Iterator[Span]:
    """Cut a text into groups of sentences, each with its neighbours as context.

    Args:
        measure: The text.
        sentences: Most sentences of a span.
        around: Sentences before and behind it that belong to its context.
        size: Most tokens of a span.
    """
    found = fitting_sentences(measure, 0, len(measure.text), size)
    first = 0
    while first < len(found):
        past = first + 1
        start = found[first][0]
        while past < min(first + sentences, len(found)) and measure.fits(
            start, found[past][1], size
        ):
            past += 1
        shown = (found[max(0, first - around)][0], found[min(len(found), past + around) - 1][1])
        yield Span(start, found[past - 1][1], "", (shown,))
        first = past


def fitting_sentences(measure: Measure, start: int, end: int, size: int) -> list[tuple[int, int]]:
    """The sentences of a slice; those of more than ``size`` tokens in several pieces."""
    found: list[tuple[int, int]] = []
    for left, right in sentence_spans(measure.text, start, end):
        if measure.fits(left, right, size):
            found.append((left, right))
        else:
            spans = token_spans(measure, left, right, size=size, overlap=0)
            found += [(one.start, one.end) for one in spans]
    return found
