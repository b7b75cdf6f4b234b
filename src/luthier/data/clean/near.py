"""Near-duplicates: rows that say almost the same as an earlier one, which stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from luthier.core.ledger import Entry
from luthier.core.records import Document, Example, copy_rows
from luthier.core.spec import Spec, digest_of
from luthier.data.clean._books import Books
from luthier.data.clean.facts import Rows
from luthier.data.duplicates import DuplicatesSpec, Found

TWINS = "twins.npz"
Places = npt.NDArray[np.int64]


class NearSpec(Spec):
    """From which likeness on a row is refused."""

    judges: Rows = "documents"
    """Which rows are compared. Rows that are alike but stay never come to stand on different
    sides of the split, so conversations need not be refused."""
    likeness: DuplicatesSpec = DuplicatesSpec()
    """When two texts count as nearly the same."""


def said(row: Document | Example) -> str:
    """What is compared: a document's text, all that is said in a conversation."""
    return row.text if isinstance(row, Document) else "\n".join(m.content for m in row.messages)


def case_of(row: Document | Example) -> str:
    """What rows that nearly repeat each other must share, or both stay: a label, who may see it."""
    return "\n".join(sorted(row.access)) if isinstance(row, Document) else row.label


def without_near(
    draft: Path, target: Path, found: Found, labels: Iterable[str], books: Books
) -> Places:
    """Copy a table without its near-duplicates.

    A conversation that differs from the earlier one in its label stays: it is another case. So does
    a document with another access list: neither may show people what the other's list keeps back.

    Args:
        draft: The table.
        target: The new table.
        found: Which rows repeat which.
        labels: What `case_of` says of each row.
        books: Gets a line for each row that is refused.

    Returns:
        For each row that stays the place, among those that do, of the row that stands for it.
    """
    standing = found.standing_for
    numbers: dict[str, int] = {}
    numbered = (numbers.setdefault(label, len(numbers)) for label in labels)
    label = np.fromiter(numbered, np.int64, len(standing))
    stays = (standing == np.arange(len(standing))) | (label[standing] != label)
    origins = pq.read_table(draft, columns=["origin"])["origin"]
    refused = np.flatnonzero(~stays)
    lines = zip(
        origins.take(refused).to_pylist(), origins.take(standing[refused]).to_pylist(), strict=True
    )
    books.add([Entry("refused", "near-duplicate", origin, like) for origin, like in lines])
    copy_rows(draft, target, stays)
    place = np.cumsum(stays) - 1
    return np.asarray(place[standing[stays]])


def write_twins(folder: Path, spec: DuplicatesSpec, twins: Places) -> None:
    """Keep which rows of ``rows.parquet`` are alike, so that nobody has to look for it again.

    Args:
        folder: That of the table.
        spec: When texts counted as nearly the same.
        twins: For each row the place of the row that stands for it.
    """
    np.savez(folder / TWINS, twins=twins, spec=np.asarray(digest_of(spec)))


def read_twins(folder: Path, spec: DuplicatesSpec) -> Places | None:
    """What ``write_twins`` kept, or None if nobody looked, or with other settings.

    Args:
        folder: That of the table.
        spec: When texts are to count as nearly the same.
    """
    if not (folder / TWINS).is_file():
        return None
    with np.load(folder / TWINS) as kept:
        return kept["twins"] if str(kept["spec"]) == digest_of(spec) else None
