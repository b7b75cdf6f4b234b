"""Cut documents into passages that an encoder reads whole.

A document that fits is one passage. A longer one is cut where a paragraph, a line, a sentence
or a word ends, in that order of preference, and neighbours overlap, so that a fact at a border
stands whole in one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from luthier.core.records import Document, Passage

Offsets = Sequence[tuple[int, int]]
_BORDERS = (
    re.compile(r"\n[ \t]*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?:;]\s"),
    re.compile(r"\s"),
)


def cut(
    document: Document,
    token_offsets: Callable[[str], Offsets],
    *,
    size: int,
    overlap: int,
) -> list[Passage]:
    """The passages of one document, in the order of its text.

    Each is a slice of the text, carries the document's origin, and has the id
    ``{document.id}#{start}``. Together they hold every character but white space at borders.

    Args:
        document: What to cut.
        token_offsets: Start and end of each token of a text (`Encoder.token_offsets`).
        size: Most tokens in a passage, at least 1.
        overlap: Tokens that a passage repeats of the one before it, at most; less than ``size``.

    Returns:
        At least one passage, unless the text is empty or only white space.

    Raises:
        ValueError: ``size`` or ``overlap`` is out of range.
    """
    if size < 1 or not 0 <= overlap < size:
        raise ValueError(f"size {size} and overlap {overlap}: want 0 <= overlap < size")
    text = document.text
    if not text.strip():
        return []
    offsets = token_offsets(text)
    spans = _spans(text, offsets, size, overlap) if len(offsets) > size else [(0, len(text))]
    return [
        Passage(
            id=f"{document.id}#{start}",
            document_id=document.id,
            title=document.title,
            text=text[start:end],
            origin=document.origin,
            start=start,
            end=end,
        )
        for start, end in spans
    ]


def _spans(text: str, offsets: Offsets, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    first = 0  # index of the passage's first token
    while True:
        start = offsets[first][0]
        past = first + size  # index of the first token that no longer fits
        if past >= len(offsets):
            yield _stripped(text, start if first else 0, len(text))
            return
        # A border in the second half of what fits, so that no passage is a crumb.
        end = _border(text, offsets[first + size // 2][0], offsets[past][0])
        next_first = _first_token_from(offsets, end, first, past)
        yield _stripped(text, start if first else 0, end)
        first = _overlapping(text, offsets, first, next_first, overlap)


def _border(text: str, low: int, high: int) -> int:
    """The last best place to end a passage in (low, high]; ``high`` itself if there is none."""
    for pattern in _BORDERS:
        ends = [m.end() for m in pattern.finditer(text, low, high)]
        if ends and ends[-1] > low:
            return ends[-1]
    return high


def _first_token_from(offsets: Offsets, position: int, first: int, past: int) -> int:
    """Index of the first token after ``first`` that starts at ``position`` or later."""
    after = (i for i in range(first + 1, past) if offsets[i][0] >= position)
    return next(after, past)


def _overlapping(text: str, offsets: Offsets, first: int, next_first: int, overlap: int) -> int:
    """Where the next passage starts: up to ``overlap`` tokens back, at the start of a word."""
    for index in range(max(first + 1, next_first - overlap), next_first):
        start = offsets[index][0]
        if text[start - 1].isspace():
            return index
    return next_first


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    body = text[start:end]
    return start + len(body) - len(body.lstrip()), start + len(body.rstrip())
