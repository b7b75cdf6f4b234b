"""What the split has to know of all rows at once, gathered in one pass over their table.

Texts pass through and are not kept: what is kept of a row is its name, its group, its class, which
row it nearly repeats, and what tells whether it is too like a test question.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Example, iterate_table
from luthier.data.alike import Likes
from luthier.data.clean.near import Places
from luthier.data.duplicates import DuplicatesSpec, find
from luthier.data.split import Grouped, Stub


@dataclasses.dataclass(frozen=True, slots=True)
class Gathered:
    """All rows but their texts.

    Attributes:
        stubs: The rows of the table that are not repeated, then those made.
        rows: The place in the table of each row that is not repeated.
        rows_in: Rows in the table.
        standing_for: For each stub the index of the earlier one it nearly repeats, or its own.
    """

    stubs: list[Grouped]
    rows: list[int]
    rows_in: int
    standing_for: list[int]


def gather(
    table: Path,
    made: Sequence[Example],
    spec: DuplicatesSpec,
    twins: Places | None,
    likes: Likes,
    ledger: Ledger,
) -> Gathered:
    """Read the rows once.

    Args:
        table: ``rows.parquet``.
        made: Rows that were made of documents; they come after the others.
        spec: When rows count as near-duplicates.
        twins: For each row of the table the one it nearly repeats, if that is known.
        likes: Gets every row.
        ledger: Gets a line for each row that says the same as an earlier one.
    """
    stubs: list[Grouped] = []
    places: list[int] = []
    rows_in = 0

    def texts() -> Iterator[str]:
        nonlocal rows_in
        seen: set[bytes] = set()
        for batch in iterate_table(table, Example):
            for place, row in enumerate(batch, rows_in):
                if _is_repeated(row, seen):
                    ledger.refuse("repeated row", row.origin, row.question)
                    continue
                stubs.append(Stub(row.id, row.group, row.kind, row.label, row.parent))
                places.append(place)
                likes.add(row)
                yield "\n".join([m.content for m in row.messages])
            rows_in += len(batch)

    if twins is None:
        standing_for = find(texts(), spec).standing_for.tolist()
    else:
        collections.deque(texts(), maxlen=0)
        standing_for = _without_repeated(twins, places)
    for row in made:
        likes.add(row)
    own = range(len(stubs), len(stubs) + len(made))
    return Gathered([*stubs, *made], places, rows_in, [*standing_for, *own])


def _is_repeated(row: Example, seen: set[bytes]) -> bool:
    """Whether an earlier row says the same, but for capitals and white space; it is noted."""
    said = "\n".join([f"{m.role}: {m.content}" for m in row.messages])
    plain = " ".join(said.casefold().split()).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(plain, digest_size=16).digest()
    if digest in seen:
        return True
    seen.add(digest)
    return False


def _without_repeated(twins: Places, places: Iterable[int]) -> list[int]:
    """Which row stands for each of those left, counted without the repeated ones."""
    left = np.asarray(list(places), dtype=np.int64)
    index = np.full(len(twins), -1, dtype=np.int64)
    index[left] = np.arange(len(left))
    standing = index[twins[left]]
    found: list[int] = np.where(standing < 0, np.arange(len(left)), standing).tolist()
    return found
