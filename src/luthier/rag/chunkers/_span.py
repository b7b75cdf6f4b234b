"""A slice of a document on its way to be a passage."""

from __future__ import annotations

import dataclasses
from typing import Literal

from luthier.core.records import Document, Passage

Kind = Literal["", "code", "conversation", "heading", "list", "table"]
"""What a piece of a document is; "" for running text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A slice, and what is shown instead of it.

    Attributes:
        start: Offset in characters.
        end: Offset behind the last character.
        kind: What stands in it.
        context: Slices (start, end) that are shown in the prompt, each on lines of its own; none
            if the text itself is.
    """

    start: int
    end: int
    kind: Kind = ""
    context: tuple[tuple[int, int], ...] = ()


def passage(document: Document, span: Span) -> Passage:
    """The passage that a slice of a document makes.

    Who may see the document may see the passage, and nobody else. Running text is of the
    document's own kind.

    Args:
        document: The document.
        span: The slice; the context is left out where it says no more than the slice.
    """
    text = document.text
    alone = not span.context or span.context == ((span.start, span.end),)
    return Passage(
        id=f"{document.id}#{span.start}",
        document_id=document.id,
        title=document.title,
        text=text[span.start : span.end],
        origin=document.origin,
        start=span.start,
        end=span.end,
        kind=span.kind or document.kind,
        context="" if alone else "\n".join(text[a:b] for a, b in span.context),
        access=document.access,
        modified_s=document.modified_s,
        meta=document.meta,
    )
