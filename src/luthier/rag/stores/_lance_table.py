"""A table of passages in LanceDB: how it is made, filtered and searched at one native version.

Text is searched by BM25 over title and text together (``body``). The index over words begins
empty and is filled when the table is put in order: until then rows are searched one by one, with
the same result. Vectors are searched exactly unless an index and its parameters are there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from luthier.core.errors import StoreError
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.stores._check import label, labels_of
from luthier.rag.stores.store import VECTOR

BODY = "body"
LABELS = "labels"
_OWN = (BODY, LABELS)  # columns that searching needs beside those of the store
_TOGETHER = 64  # vectors searched in one pass over the table
_AT_ONCE = 5000  # documents named in one condition
FAILURES = (OSError, RuntimeError, ValueError, pa.ArrowException)


@contextlib.contextmanager
def lance_errors(folder: Path) -> Iterator[None]:
    """Errors of LanceDB (which has no tree of its own) as ours."""
    try:
        yield
    except FAILURES as error:
        first = re.split(r"\n|, /", str(error), maxsplit=1)[0]
        raise StoreError(
            f"the passage store fails: {first}",
            where=str(folder),
            mend="Check disk space and permissions. What was acknowledged is kept.",
        ) from error


def stored(rows: pa.Table) -> pa.Table:
    """Checked rows with the columns that searching needs."""
    body = pc.binary_join_element_wise(rows["title"], rows["text"], "\n")
    metas = rows["meta"].to_pylist()
    known: dict[tuple[tuple[str, str], ...], list[str]] = {}
    labels = [known.get(key) or known.setdefault(key, labels_of(key)) for key in map(tuple, metas)]
    rows = rows.append_column(BODY, body)
    return rows.append_column(LABELS, pa.array(labels, pa.list_(pa.string())))


def create(database: Any, name: str, rows: pa.Table) -> Any:
    """Make a table of checked rows and its indexes; `put_in_order` fills that over words."""
    from lancedb.index import FTS, Bitmap, BTree, LabelList

    table = database.create_table(name, stored(rows))
    for column in ("id", "document_id"):
        table.create_index(column, config=BTree())
    for column in ("access", LABELS):
        table.create_index(column, config=LabelList())
    table.create_index("kind", config=Bitmap())
    # Stop words are kept: `all`, `any` and `is` are names in many a corpus, and BM25 weighs
    # frequent words down by itself. Positions are left out: nobody asks for phrases.
    words = FTS(with_position=False, remove_stop_words=False)
    table.create_index(BODY, config=words, train=False)
    return table


def replace(table: Any, rows: pa.Table | None, gone: Sequence[str]) -> None:
    """Take out the passages of some documents and put in checked rows."""
    for first in range(0, len(gone), _AT_ONCE):
        table.delete(one_of("document_id", gone[first : first + _AT_ONCE]))
    if rows is not None:
        table.add(stored(rows))


def put_in_order(table: Any) -> None:
    """Merge files, take in deletions and bring all indexes up to date."""
    table.optimize(cleanup_older_than=dt.timedelta(days=36500))


def clean(table: Any, natives: Mapping[str, int], age_s: float) -> None:
    """Delete the files of native versions older than all that are wanted.

    Args:
        table: Not checked out.
        natives: Versions wanted, by tag: LanceDB refuses to delete what has one.
        age_s: Versions younger than this stay, for readers that are at it.
    """
    tags = table.tags
    there = {name: tag["version"] for name, tag in tags.list().items()}
    for name in there.keys() - natives.keys():
        tags.delete(name)
    for name, native in natives.items():
        if name not in there:
            tags.create(name, native)
        elif there[name] != native:
            tags.update(name, native)
    made = {one["version"]: one["timestamp"] for one in table.list_versions()}
    oldest = made[min(natives.values())]
    now = dt.datetime.now(oldest.tzinfo)
    old = max(now - oldest + dt.timedelta(seconds=1), dt.timedelta(seconds=age_s))
    if set(natives.values()) == {max(made)}:
        old = dt.timedelta(seconds=age_s, microseconds=1)  # the last one always stays
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that readers of old versions will fail
        table.optimize(cleanup_older_than=old, delete_unverified=True)


def condition(part: Slice) -> str | None:
    """A slice as LanceDB's SQL; None if nothing can be in it."""
    names = [name for name in sorted(part.who) if name]
    if not names or any(not values for values in part.where.values()):
        return None
    if not math.isfinite(part.since_s):
        return None
    asked = [f"array_has_any(access, {_strings(names)})"]
    for key, values in part.where.items():
        listed = _strings(sorted({label(key, value) for value in values}))
        asked.append(f"array_has_any({LABELS}, {listed})")
    if part.kinds:
        asked.append(one_of("kind", part.kinds))
    if part.documents:
        asked.append(one_of("document_id", part.documents))
    asked.append(f"modified_s >= {part.since_s!r}")
    return " AND ".join(asked)


def match(table: Any, query: str, depth: int, where: str) -> list[tuple[str, float]]:
    """Ids and BM25 scores of passages that share a word with a query."""
    from lancedb.query import MatchQuery

    matching: Any = MatchQuery  # its generated signature hides the defaults from mypy
    found = table.search(matching(query, BODY)).where(where, prefilter=True)
    rows = found.select(["id", "_score"]).limit(depth).to_arrow()
    return list(zip(rows["id"].to_pylist(), rows["_score"].to_pylist(), strict=True))


def nearest(
    table: Any, vectors: Vectors, depth: int, where: str, search: Mapping[str, Any]
) -> list[list[tuple[str, float]]]:
    """Ids and cosines of the passages nearest to each of some vectors.

    Args:
        table: Checked out.
        vectors: Of length 1.
        depth: How many for each.
        where: A `condition`.
        search: ``nprobes``, ``ef`` and ``refine`` of the index; empty to search exactly.
    """
    hits: list[list[tuple[str, float]]] = [[] for _ in vectors]
    for first in range(0, len(vectors), _TOGETHER):
        batch = list(vectors[first : first + _TOGETHER])
        found = table.search(batch, vector_column_name=VECTOR).distance_type("cosine")
        if search:
            found = found.nprobes(search["nprobes"]).refine_factor(search["refine"])
            found = found.ef(max(search["ef"], depth * search["refine"]))
        else:
            found = found.bypass_vector_index()
        found = found.where(where, prefilter=True).select(["id", "_distance"]).limit(depth)
        rows = found.to_arrow()
        several = "query_index" in rows.column_names  # absent where there is one vector
        places = rows["query_index"].to_pylist() if several else [0] * rows.num_rows
        ids, far = rows["id"].to_pylist(), rows["_distance"].to_pylist()
        for place, one, distance in zip(places, ids, far, strict=True):
            hits[first + place].append((one, 1.0 - distance))
    return hits


def scan(table: Any, columns: Sequence[str], where: str | None) -> pa.Table:
    """Rows of a table in the order of their ids; own columns are left out unless named."""
    wanted = list(columns) or [n for n in table.schema.names if n not in _OWN]
    asked = table.search().select(list(dict.fromkeys([*wanted, "id"]))).limit(None)
    rows = (asked.where(where) if where else asked).to_arrow()
    ids = rows["id"].combine_chunks()
    if len(ids) > 1 and not pc.all(pc.less(ids[:-1], ids[1:])).as_py():
        rows = rows.take(pc.sort_indices(ids))
    return rows.select(wanted)


def one_of(column: str, values: Sequence[str]) -> str:
    """A condition that a column has one of some values."""
    return f"{column} IN ({', '.join(map(_quoted, values))})"


def _strings(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
