"""What keeps passages: a short protocol, the same for every kind of store.

A store has versions. Each is whole: a change is one step, and whoever reads a version reads it as
it was made, whatever is written meanwhile. Only `PassageStore.erase` reaches into those of before.
Every search takes a `Slice`, so that none can forget who asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from luthier.core.columns import schema_of, to_table
from luthier.core.records import Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice

VECTOR = "vector"
DIGEST = "document_digest"


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One step from a version to the next.

    Attributes:
        rows: What `rows_of` makes: all passages of each document that is new or changed. They take
            the place of all passages that the store had of these documents.
        gone: Ids of documents whose passages are removed.
        note: What the version is for, as `PassageStore.versions` tells it.
    """

    rows: pa.Table | None = None
    gone: tuple[str, ...] = ()
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """One version of a store.

    Attributes:
        number: From 1, growing.
        made_s: When, in seconds since 1970.
        passages: How many it has.
        note: The change's.
    """

    number: int
    made_s: float
    passages: int
    note: str


class PassageStore(Protocol):
    """Where passages are kept. Searches answer ids with scores, larger is better."""

    def version(self) -> int:
        """The newest version; 0 if nothing was ever put."""

    def versions(self) -> list[Version]:
        """Those that can still be read, oldest first."""

    def apply(self, change: Change) -> int:
        """Make a change in one step and return the new version.

        Times of change before 1970 count as unknown (0).

        Raises:
            StoreError: Rows have another dimension than those before, or cannot be written; the
                store then is as it was.
        """

    def dimension(self) -> int | None:
        """Of its vectors: 0 for none, None if nothing was ever put."""

    def digests(self, version: int) -> dict[str, str]:
        """Documents of a version with the digests of what they were made from."""

    def rows(
        self, version: int, columns: Sequence[str] = (), documents: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a version in the order of their ids, whoever may see them.

        Args:
            version: Which.
            columns: Those wanted, in `schema`'s order; all where none is named.
            documents: Of these documents alone; None for all.
        """

    def take(self, ids: Sequence[str], part: Slice, version: int) -> dict[str, Passage]:
        """Those of some passages that are in a slice, by id."""

    def match(self, query: str, depth: int, part: Slice, version: int) -> dict[str, float]:
        """The best ``depth`` passages of a slice that share a word with a query."""

    def nearest(
        self, vectors: Vectors, depth: int, part: Slice, version: int
    ) -> list[dict[str, float]]:
        """The ``depth`` passages of a slice nearest to each of some vectors, by cosine."""

    def restore(self, version: int, note: str = "") -> int:
        """Make a new version that holds what an old one held; the old ones stay."""

    def erase(self, documents: Sequence[str]) -> int:
        """Remove documents from every version and from the disk; returns the newest version.

        Versions that cannot be freed of them are forgotten.
        """

    def prune(self, keep: int) -> int:
        """Forget all but the newest ``keep`` versions; returns how many went."""

    def optimize(self) -> None:
        """Put the store's files and indexes in order; changes no answer."""

    def health(self) -> Mapping[str, Any]:
        """What is worth knowing of it.

        ``kind``, ``where``, ``bytes``, ``files`` (0 for a server), ``versions``, ``passages``,
        ``changes`` since it was put in order, ``unindexed`` rows (searched one by one, slower),
        and ``search``: how vectors are searched.
        """

    def close(self) -> None:
        """Let go of files and connections; caches are emptied."""


def rows_of(
    passages: Sequence[Passage], digests: Mapping[str, str], vectors: Vectors | None = None
) -> pa.Table:
    """Passages as a store takes them.

    Args:
        passages: All passages of the documents they are of.
        digests: By document id, of what its passages were made from.
        vectors: One for each passage, float32 of length 1; None for a store without vectors.
    """
    table = to_table(list(passages), Passage).drop_columns(["score"])
    told = pa.array([digests[p.document_id] for p in passages], pa.string())
    table = table.append_column(DIGEST, told)
    if vectors is not None:
        flat = pa.array(vectors.ravel(), pa.float32())
        column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        table = table.append_column(VECTOR, column)
    return table


def schema(dimension: int) -> pa.Schema:
    """The columns of a store.

    Args:
        dimension: Of its vectors; 0 for none.
    """
    fields = [f for f in schema_of(Passage) if f.name != "score"]
    fields.append(pa.field(DIGEST, pa.string()))
    if dimension:
        fields.append(pa.field(VECTOR, pa.list_(pa.float32(), dimension)))
    return pa.schema(fields)
