"""What the split has to know of all rows at once, gathered in one pass over their table.

Texts pass through and are not kept: what is kept of a row is its name, its group, its class, which
row it nearly repeats, and what tells whether it is too like a test question.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Side, iterate_table
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
    kept: Mapping[str, Side],
    likes: Likes,
    ledger: Ledger,
) -> Gathered:
    """Read the rows once.

    A row whose source names no group is one of its own, named by what it asks: so it keeps its
    side wherever it comes to stand. Of rows that say the same the first stays, but for those that
    are kept on the test side: they stay before any other.

    Args:
        table: ``rows.parquet``.
        made: Rows that were made of documents; they come after the others.
        spec: When rows count as near-duplicates.
        twins: For each row of the table the one it nearly repeats, if that is known.
        kept: Sides that groups or rows have already.
        likes: Gets every row.
        ledger: Gets a line for each row that says the same as an earlier one.
    """
    stubs: list[Grouped] = []
    places: list[int] = []
    rows_in = 0
    locked = _locked(table, kept)

    def texts() -> Iterator[str]:
        nonlocal rows_in
        seen: set[bytes] = set()
        for batch in iterate_table(table, Example):
            for place, row in enumerate(batch, rows_in):
                said = _digest(row)
                if said in seen or locked.get(said, row.id) != row.id:
                    ledger.refuse("repeated row", row.origin, row.question)
                    continue
                seen.add(said)
                group = group_of(row, kept)
                stubs.append(Stub(row.id, group, row.kind, row.label, row.parent))
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


def group_of(row: Example, kept: Mapping[str, Side]) -> str:
    """The group of a row: its own name if that is kept, the source's, or what it asks.

    Args:
        row: A row of the table.
        kept: Sides by name of a group or of a row.
    """
    if row.id in kept:
        return row.id
    if row.group != row.origin:
        return row.group
    return text_group("\n".join([m.content for m in row.prompt if m.role != "system"]))


def text_group(text: str) -> str:
    """The name of a group that has no other: what equal texts share."""
    return f"row {_plain_digest(text).hex()[:16]}"


def _locked(table: Path, kept: Mapping[str, Side]) -> dict[bytes, str]:
    """What the rows kept on the test side say, and the first that says so."""
    test = {name for name, side in kept.items() if side == "test"}
    found: dict[bytes, str] = {}
    if test:
        for batch in iterate_table(table, Example):
            for row in batch:
                if row.id in test or group_of(row, kept) in test:
                    found.setdefault(_digest(row), row.id)
    return found


def _digest(row: Example) -> bytes:
    """What equal rows share: capitals and white space make no difference."""
    return _plain_digest("\n".join([f"{m.role}: {m.content}" for m in row.messages]))


def _plain_digest(text: str) -> bytes:
    plain = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(plain, digest_size=16).digest()


def _without_repeated(twins: Places, places: Iterable[int]) -> list[int]:
    """Which row stands for each of those left, counted without the repeated ones."""
    left = np.asarray(list(places), dtype=np.int64)
    index = np.full(len(twins), -1, dtype=np.int64)
    index[left] = np.arange(len(left))
    standing = index[twins[left]]
    found: list[int] = np.where(standing < 0, np.arange(len(left)), standing).tolist()
    return found
