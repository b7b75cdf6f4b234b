"""Near-duplicates: rows that say almost the same as an earlier one, which stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from luthier.core.ledger import Entry
from luthier.core.records import Document, Example, TableWriter, iterate_table
from luthier.core.spec import Spec
from luthier.data.clean._books import Books
from luthier.data.clean.facts import Rows
from luthier.data.duplicates import DuplicatesSpec, survivors


class NearSpec(Spec):
    """From which likeness on a row is refused."""

    judges: Rows = "documents"
    """Which rows are compared. Rows that are alike but stay never come to stand on different
    sides of the split, so conversations need not be refused."""
    likeness: DuplicatesSpec = DuplicatesSpec()
    """When two texts count as nearly the same."""


class Texts(Sequence[str]):
    """The texts of a table, read from the file as they are asked for.

    Args:
        path: A table of documents or of conversations.
        record: Which of both.
        rows: How many it holds.
    """

    def __init__(self, path: Path, record: type[Document] | type[Example], rows: int) -> None:
        self._path, self._record, self._rows = path, record, rows

    def __len__(self) -> int:
        """How many texts there are."""
        return self._rows

    def __iter__(self) -> Iterator[str]:
        """The texts in order."""
        for batch in iterate_table(self._path, self._record):
            yield from map(said, batch)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """One text or several; slow: meant for going through in order."""
        if isinstance(place, slice):
            return list(self)[place]
        index = range(self._rows)[place]
        return next(text for i, text in enumerate(self) if i == index)


def said(row: Document | Example) -> str:
    """What is compared: a document's text, all that is said in a conversation."""
    return row.text if isinstance(row, Document) else "\n".join(m.content for m in row.messages)


def without_near(
    draft: Path, record: type[Document] | type[Example], target: Path, spec: NearSpec, books: Books
) -> int:
    """Copy a table without its near-duplicates.

    A conversation that differs from the earlier one in its label stays: it is another case.

    Args:
        draft: The table.
        record: What it holds.
        target: The new table.
        spec: When texts count as nearly the same.
        books: Gets a line for each row that is refused.

    Returns:
        How many rows stay.
    """
    labels = [getattr(r, "label", "") for batch in iterate_table(draft, record) for r in batch]
    stands_for = survivors(Texts(draft, record, len(labels)), spec.likeness)
    twins = [s if labels[s] == labels[i] else i for i, s in enumerate(stands_for)]
    wanted = {s for i, s in enumerate(twins) if s != i}
    origins: dict[int, str] = {}
    place = 0
    with TableWriter(target, record) as writer:
        for batch in iterate_table(draft, record):
            kept, entries = [], []
            for row in batch:
                if place in wanted:
                    origins[place] = row.origin
                if twins[place] == place:
                    kept.append(row)
                else:
                    said_by = origins[twins[place]]
                    entries.append(Entry("refused", "near-duplicate", row.origin, said_by))
                place += 1
            writer.write(kept)
            books.add(entries)
        return writer.rows
