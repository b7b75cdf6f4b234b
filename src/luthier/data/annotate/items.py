"""What is annotated: a text with its row's id and origin, whatever table it stands in."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.core.errors import StoreError
from luthier.core.records import Document, Example, iterate_table

KINDS = ("row", "text")  # documentation (modules, functions) is for retrieval, not for labels
BATCH_ROWS = 8192


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


class TableItems(Collection[Item]):
    """The items of a cleaned folder, read from its tables each time they are gone through.

    Args:
        folder: With ``documents.parquet`` and ``rows.parquet``.
    """

    def __init__(self, folder: Path) -> None:
        self._documents, self._rows = folder / "documents.parquet", folder / "rows.parquet"
        texts = (kind in KINDS for (kinds,) in _columns(self._documents, "kind") for kind in kinds)
        self._count = sum(texts) + sum(len(ids) for (ids,) in _columns(self._rows, "id"))

    def __len__(self) -> int:
        """How many items there are."""
        return self._count

    def __iter__(self) -> Iterator[Item]:
        """The items as ``items_of`` gives them."""
        for ids, texts, origins, kinds in _columns(self._documents, "id", "text", "origin", "kind"):
            for name, text, origin, kind in zip(ids, texts, origins, kinds, strict=True):
                if kind in KINDS:
                    yield Item(name, text, origin)
        for rows in iterate_table(self._rows, Example):
            yield from items_of((), rows)

    def __contains__(self, item: object) -> bool:
        """Whether an item is among them; goes through all."""
        return any(item == one for one in self)


class SomeItems(Collection[Item]):
    """Some of many items, in their order; gone through anew each time.

    Args:
        items: All.
        wanted: One truth value for each of them.
    """

    def __init__(self, items: Iterable[Item], wanted: Sequence[bool]) -> None:
        self._items, self._wanted = items, wanted

    def __len__(self) -> int:
        """How many items there are."""
        return sum(self._wanted)

    def __iter__(self) -> Iterator[Item]:
        """The items that are wanted."""
        return itertools.compress(self._items, self._wanted)

    def __contains__(self, item: object) -> bool:
        """Whether an item is among them; goes through all."""
        return any(item == one for one in self)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last may be shorter."""
    left = iter(items)
    while batch := list(itertools.islice(left, size)):
        yield batch


def _columns(path: Path, *names: str) -> Iterator[tuple[list[str], ...]]:
    """Some columns of a table, batch by batch: quicker than whole records."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names)):
                yield tuple(batch.column(name).to_pylist() for name in names)
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(path)) from error
