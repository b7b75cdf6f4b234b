"""A table of passages in LanceDB: how it is made, filtered and searched at one native version.

Text is kept and searched by BM25 together with the title (``body``). The index over words begins
empty, and it and those of filters are made when the table is put in order: until then rows are
searched one by one, slowly, with the same result, and a build is not kept waiting by indexes that
nobody may ask. Vectors are searched exactly unless an index and its parameters are there.
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

from luthier.core.columns import BATCH_ROWS
from luthier.core.errors import StoreError
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.stores._check import label
from luthier.rag.stores.store import VECTOR, schema

BODY = "body"
LABELS = "labels"
_TOGETHER = 64  # vectors searched in one pass over the table
_AT_ONCE = 5000  # documents named in one condition
_SORTED = 50_000  # rows sorted together where the table is not in order
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


def stored(rows: pa.Table) -> pa.RecordBatchReader:
    """Checked rows as the table keeps them, some at a time.

    A reader, not a table: LanceDB copies a table several times over before it writes.
    """
    plain = [field for field in rows.schema if field.name != "text"]
    own = [pa.field(BODY, pa.string()), pa.field(LABELS, pa.list_(pa.string()))]
    whole = pa.schema([*plain, *own])

    def pieces() -> Iterator[pa.RecordBatch]:
        for batch in rows.to_batches(BATCH_ROWS):
            body = pc.binary_join_element_wise(batch["title"], batch["text"], "\n")
            columns = [batch[field.name] for field in plain]
            yield pa.record_batch([*columns, body, _labels(batch["meta"])], schema=whole)

    return pa.RecordBatchReader.from_batches(whole, pieces())


def _labels(whole: pa.MapArray) -> pa.Array:
    """Metadata as `label` writes it, all rows at once."""
    first, last = whole.offsets[0].as_py(), whole.offsets[-1].as_py()
    keys = whole.keys.slice(first, last - first)
    for mark, written in (("%", "%25"), ("=", "%3D")):
        keys = pc.replace_substring(keys, mark, written)
    labels = pc.binary_join_element_wise(keys, whole.items.slice(first, last - first), "=")
    return pa.ListArray.from_arrays(pc.subtract(whole.offsets, first), labels)


def create(database: Any, name: str, rows: pa.Table) -> Any:
    """Make a table of checked rows, with the indexes that changes and look-ups need."""
    from lancedb.index import FTS, BTree

    table = database.create_table(name, stored(rows))
    for column in ("id", "document_id"):
        table.create_index(column, config=BTree())
    # Stop words are kept: `all`, `any` and `is` are names in many a corpus, and BM25 weighs
    # frequent words down by itself. Positions are left out: nobody asks for phrases.
    words = FTS(with_position=False, remove_stop_words=False)
    table.create_index(BODY, config=words, train=False)
    return table


def replace(table: Any, rows: pa.Table | None, gone: Sequence[str]) -> None:
    """Take out the passages of some documents and put in checked rows."""
    for part in parts(gone):
        table.delete(part)
    if rows is not None:
        table.add(stored(rows))


def parts(documents: Sequence[str]) -> list[str]:
    """Conditions that hold for the passages of some documents, not too many in each."""
    firsts = range(0, len(documents), _AT_ONCE)
    return [one_of("document_id", documents[at : at + _AT_ONCE]) for at in firsts]


def put_in_order(table: Any) -> None:
    """Merge files, take in deletions, make the indexes of filters and bring all up to date."""
    from lancedb.index import Bitmap, LabelList

    there = {column for one in table.list_indices() for column in one.columns}
    for column, kind in (("access", LabelList), (LABELS, LabelList), ("kind", Bitmap)):
        if column not in there:
            table.create_index(column, config=kind())
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
    if part.since_s > 0:
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
    """Rows of a table in the columns of a store, in the order of their ids.

    Args:
        table: Checked out.
        columns: Those wanted; all where none is named.
        where: A condition, None for all rows.
    """
    wanted = list(columns) or _all_columns(table)
    rows = _asked(table, [*_needed(wanted), "id"], where).to_arrow()
    if not _ascend(rows["id"]):
        rows = rows.take(pc.sort_indices(rows["id"]))
    return _turned(rows, wanted)


def stream(table: Any, columns: Sequence[str], where: str | None) -> Iterator[pa.RecordBatch]:
    """What `scan` gives, in pieces; never all in memory at once."""
    ids = _asked(table, ["id"], where).to_arrow()["id"].combine_chunks()
    if not _ascend(ids):
        ids = ids.take(pc.sort_indices(ids))
        for first in range(0, len(ids), _SORTED):
            last = min(first + _SORTED, len(ids)) - 1
            part = f"id >= {_quoted(ids[first].as_py())} AND id <= {_quoted(ids[last].as_py())}"
            held = scan(table, columns, f"{part} AND {where}" if where else part)
            yield from held.to_batches(BATCH_ROWS)
        return
    wanted = list(columns) or _all_columns(table)
    for batch in _asked(table, _needed(wanted), where).to_batches(BATCH_ROWS):
        yield from _turned(pa.Table.from_batches([batch]), wanted).to_batches()


def _all_columns(table: Any) -> list[str]:
    kind = table.schema.field(VECTOR).type if VECTOR in table.schema.names else None
    names: list[str] = schema(kind.list_size if kind else 0).names
    return names


def _needed(wanted: Sequence[str]) -> list[str]:
    """Columns of the table that those of a store are made from."""
    own = {"text": ("title", BODY)}
    return [one for name in wanted for one in own.get(name, (name,))]


def _turned(rows: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """Columns of a store: the text is its body without the title."""
    if "text" in wanted:
        both = zip(rows["title"].to_pylist(), rows[BODY].to_pylist(), strict=True)
        texts = pa.array([body[len(title) + 1 :] for title, body in both], pa.string())
        rows = rows.append_column("text", texts)
    return rows.select(list(wanted))


def pairs(table: Any, first: str, second: str) -> dict[str, str]:
    """Two columns of a table, each value of the first with one of the second."""
    rows = _asked(table, [first, second], None).to_arrow().combine_chunks()
    values = rows[first].combine_chunks()
    if len(values) > 1:  # most stand beside their like, and Arrow tells so at once
        other = pc.not_equal(values[1:], values[:-1])
        rows = rows.filter(pa.concat_arrays([pa.array([True]), other]))
    return dict(zip(rows[first].to_pylist(), rows[second].to_pylist(), strict=True))


def _asked(table: Any, columns: Sequence[str], where: str | None) -> Any:
    asked = table.search().select(list(dict.fromkeys(columns))).limit(None)
    return asked.where(where) if where else asked


def _ascend(ids: pa.Array | pa.ChunkedArray) -> bool:
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    return len(whole) < 2 or bool(pc.all(pc.less(whole[:-1], whole[1:])).as_py())


def one_of(column: str, values: Sequence[str]) -> str:
    """A condition that a column has one of some values."""
    return f"{column} IN ({', '.join(map(_quoted, values))})"


def _strings(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
