"""Passages of about equal length in tokens, each repeating the end of the one before it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from luthier.core.spec import Spec
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers._span import Span

SIZE, OVERLAP = 160, 32
At = Literal["border", "token"]
_BORDERS = (
    re.compile(r"\n[ \t]*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?:;]\s"),
    re.compile(r"\s"),
)


class Overlapping(Spec):
    """Settings of chunkers whose passages may repeat the end of the one before."""

    chunk_size: int = Field(SIZE, ge=16, le=2048)
    """Most tokens of a passage, as the encoder counts them; less where the encoder reads less."""
    chunk_overlap: int = Field(OVERLAP, ge=0)
    """Tokens that a passage may repeat of the one before it; less than half of chunk_size."""

    @model_validator(mode="after")
    def _overlap_is_small(self) -> Self:
        if self.chunk_overlap * 2 >= self.chunk_size:
            raise ValueError(
                f"chunk_overlap {self.chunk_overlap} must be less than half of chunk_size "
                f"{self.chunk_size}"
            )
        return self


class TokenChunks(Overlapping):
    """Passages of up to a number of tokens."""

    kind: Literal["tokens"] = "tokens"
    at: Literal["border", "token"] = "border"
    """Where a passage ends: at the last good border (a paragraph, a line, a sentence, a word) in
    the second half of what fits, or exactly after its tokens, also within a word."""


def token_spans(
    measure: Measure, start: int, end: int, *, size: int, overlap: int, at: At = "border"
) -> Iterator[Span]:
    """Cut a slice of a text into spans of at most ``size`` tokens.

    Together they hold every character but white space at borders. Their starts grow.

    Args:
        measure: The text.
        start: Of the slice.
        end: Of the slice.
        size: Most tokens of a span, at least 1.
        overlap: Most tokens that a span repeats of the one before it; less than ``size``.
        at: See `TokenChunks`.
    """
    low, high = measure.index(start), measure.index(end)
    begin, first = start, low  # first: the span's first token
    while True:
        stop = _stop(measure, begin, first, (high, end), size, at)
        left, right = measure.stripped(begin, stop)
        if left < right:
            yield Span(left, right)
        if stop >= end:
            return
        # the tokens behind the border; a step of one at least
        after = min(max(measure.index(stop), first + 1), high)
        first = _again(measure, max(first + 1, after - overlap), after, left)
        begin = stop if first == after else int(measure.starts[first])


def _stop(
    measure: Measure, begin: int, first: int, limit: tuple[int, int], size: int, at: At
) -> int:
    """Where the span that begins here ends."""
    high, end = limit
    allowed = size
    while True:
        past = first + allowed  # the first token that no longer fits
        if past >= high:
            stop = end
        elif at == "token":
            stop = int(measure.starts[past])
        else:
            # A border in the second half of what fits, so that no span is a crumb.
            middle = int(measure.starts[first + allowed // 2])
            stop = _border(measure.text, middle, int(measure.starts[past]))
        if stop <= begin:  # several tokens in one character
            further = int(measure.starts.searchsorted(begin, "right"))
            stop = int(measure.starts[further]) if further < high else end
            return stop
        more = measure.excess(*measure.stripped(begin, stop), size)
        if not more or allowed == 1:
            return stop
        allowed = max(1, min(allowed, high - first) - more)


def _border(text: str, low: int, high: int) -> int:
    """The last best place to end a span in (low, high]; ``high`` itself if there is none."""
    for pattern in _BORDERS:
        ends = [m.end() for m in pattern.finditer(text, low, high)]
        if ends and ends[-1] > low:
            return ends[-1]
    return high


def _again(measure: Measure, earliest: int, after: int, left: int) -> int:
    """The token that the next span begins with: the first one of a word, behind ``left``."""
    text = measure.text
    for index in range(earliest, after):
        start = int(measure.starts[index])
        if start > left and (text[start - 1].isspace() or text[start].isspace()):
            return index
    return after
