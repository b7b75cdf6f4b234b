"""What is annotated: a text with its row's id and origin, whatever table it stands in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from luthier.core.records import Document, Example

KINDS = ("row", "text")  # documentation (modules, functions) is for retrieval, not for labels


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One text to label.

    Attributes:
        id: The row's id.
        text: A document's text, or the last question of an example.
        origin: Where it was read from.
        label: The class its source gave it, or "".
    """

    id: str
    text: str
    origin: str
    label: str = ""


def items_of(documents: Iterable[Document], rows: Iterable[Example]) -> list[Item]:
    """Items of documents of the kinds ``row`` and ``text``, then of examples.

    An example whose source gave it a label is an item too: it is not labelled again, but what
    learns from labels may learn from it.
    """
    items = [Item(d.id, d.text, d.origin) for d in documents if d.kind in KINDS]
    return items + [Item(r.id, r.question, r.origin, r.label) for r in rows]
