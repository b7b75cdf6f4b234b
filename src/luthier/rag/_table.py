"""The passages in a LanceDB table: written once, then only read.

Vectors are searched flat (exact), text by BM25 over title and text together.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.models.encode import Vectors

TABLE = "passages"
_FIELDS = ["id", "document_id", "title", "text", "origin", "start", "end"]
_HIT = ["id", "title"]
_TOGETHER = 64  # vectors searched in one pass over the table


@dataclasses.dataclass(frozen=True, slots=True)
class Hits:
    """What one kind of search found.

    Attributes:
        scores: By passage id, larger is better.
        titles: By passage id.
    """

    scores: dict[str, float]
    titles: dict[str, str]


class PassageTable:
    """A table opened for reading.

    Args:
        folder: The folder of the database.
    """

    def __init__(self, folder: Path) -> None:
        import lancedb

        with lance_errors(folder):
            database = lancedb.connect(folder, read_consistency_interval=timedelta(0))
            self._table: Any = database.open_table(TABLE)
        self._folder = folder

    def count(self) -> int:
        """Number of passages."""
        with lance_errors(self._folder):
            return int(self._table.count_rows())

    def match(self, query: str, depth: int) -> Hits:
        """The best ``depth`` passages that share a word with the query, with BM25 scores."""
        from lancedb.query import MatchQuery

        matching: Any = MatchQuery  # its generated signature hides the defaults from mypy
        with lance_errors(self._folder):
            found = self._table.search(matching(query, "body"))
            rows = found.select([*_HIT, "_score"]).limit(depth).to_arrow().to_pylist()
        return Hits(
            {row["id"]: float(row["_score"]) for row in rows},
            {row["id"]: row["title"] for row in rows},
        )

    def nearest(self, vectors: Vectors, depth: int) -> list[Hits]:
        """The ``depth`` nearest passages to each of some vectors, with cosines."""
        hits = [Hits({}, {}) for _ in vectors]
        for first in range(0, len(vectors), _TOGETHER):
            batch = list(vectors[first : first + _TOGETHER])
            with lance_errors(self._folder):
                found = self._table.search(batch, vector_column_name="vector")
                found = found.distance_type("dot").select([*_HIT, "_distance"]).limit(depth)
                rows = found.to_arrow().to_pylist()
            for row in rows:
                one = hits[first + row.get("query_index", 0)]  # absent where there is one vector
                one.scores[row["id"]] = 1.0 - float(row["_distance"])
                one.titles[row["id"]] = row["title"]
        return hits

    def take(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Passages by id."""
        if not ids:
            return {}
        with lance_errors(self._folder):
            found = self._table.search().where(_one_of(ids)).select(_FIELDS)
            rows = found.limit(len(ids)).to_arrow().to_pylist()
        return {row["id"]: Passage(**row) for row in rows}


def write_passages(folder: Path, passages: Sequence[Passage], vectors: Vectors | None) -> None:
    """Write the table with its indexes.

    Args:
        folder: The folder of the database; it must not hold the table yet.
        passages: At least one.
        vectors: One for each passage, or None for a table searched by words alone.

    Raises:
        StoreError: LanceDB could not write.
    """
    import lancedb
    from lancedb.index import FTS, BTree

    columns: dict[str, Any] = {f: [getattr(p, f) for p in passages] for f in _FIELDS}
    columns["body"] = [f"{p.title}\n{p.text}" for p in passages]
    if vectors is not None:
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    with lance_errors(folder):
        table = lancedb.connect(folder).create_table(TABLE, pa.table(columns))
        # Stop words are kept: `all`, `any` and `is` are names in many a corpus, and BM25 weighs
        # frequent words down by itself. Positions are left out: nobody asks for phrases.
        table.create_index("body", config=FTS(with_position=False, remove_stop_words=False))
        table.create_index("id", config=BTree())


@contextlib.contextmanager
def lance_errors(folder: Path) -> Iterator[None]:
    """Errors of LanceDB (which has no tree of its own) as ours."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, pa.ArrowException) as error:
        first = re.split(r"\n|, /", str(error), maxsplit=1)[0]
        raise StoreError(
            f"the passage index fails: {first}",
            where=str(folder),
            mend="Check disk space and permissions, or delete the index and run again: it is "
            "made anew.",
        ) from error


def _one_of(ids: Sequence[str]) -> str:
    listed = ", ".join("'" + i.replace("'", "''") + "'" for i in ids)
    return f"id IN ({listed})"
