"""Small passages are found, and the larger ones they are part of are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from luthier.core.spec import Spec
from luthier.rag.chunkers._blocks import Content
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers._span import Span
from luthier.rag.chunkers.recursive import recursive_spans


class ParentChunks(Spec):
    """Children that are searched, each with its parent as what the prompt shows."""

    kind: Literal["parents"] = "parents"
    chunk_size: int = Field(64, ge=16, le=2048)
    """Most tokens of a child; less where the encoder reads less."""
    parent_tokens: int = Field(320, ge=32, le=8192)
    """Most tokens of a parent."""

    @model_validator(mode="after")
    def _parents_are_larger(self) -> Self:
        if self.parent_tokens <= self.chunk_size:
            raise ValueError(
                f"parent_tokens {self.parent_tokens} must be more than chunk_size {self.chunk_size}"
            )
        return self


def parent_spans(
    measure: Measure, content: Content, *, size: int, parent_size: int
) -> Iterator[Span]:
    """Cut a text by its structure twice: into parents, and these into children.

    Args:
        measure: The text.
        content: How it is to be read.
        size: Most tokens of a child.
        parent_size: Most tokens of a parent.
    """
    end = len(measure.text)
    for parent in recursive_spans(measure, content, 0, end, size=parent_size, overlap=0):
        context = parent.context or ((parent.start, parent.end),)
        inside = _content_of(parent, content)
        for child in recursive_spans(
            measure, inside, parent.start, parent.end, size=size, overlap=0
        ):
            yield dataclasses.replace(child, context=context)


def _content_of(parent: Span, content: Content) -> Content:
    """How the inside of a parent is to be read."""
    return "code" if parent.kind == "code" and content == "code" else content
