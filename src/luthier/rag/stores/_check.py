"""What every store asks of a change before it writes anything, and how it says no."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from luthier.core.errors import StoreError
from luthier.models.encode import Vectors
from luthier.rag.stores.store import DIGEST, VECTOR, Change, Version, schema

_LENGTH_ERROR = 0.01  # how far a vector's length may be from 1


def checked(change: Change, dimension: int | None, where: str) -> tuple[pa.Table | None, list[str]]:
    """The rows of a change in the store's columns, and the documents whose passages go.

    Args:
        change: What is asked for.
        dimension: Of the vectors the store has: 0 for none, None if nothing was ever put.
        where: The store, for messages.

    Returns:
        The rows, None if there are none; the ids of all documents that are replaced or removed.

    Raises:
        StoreError: Columns or the dimension are others, an id is there twice, or a vector is not
            of length 1.
    """
    rows = change.rows
    if rows is None or not rows.num_rows:
        return None, list(dict.fromkeys(change.gone))
    found = _dimension(rows)
    if dimension is not None and found != dimension:
        raise StoreError(
            f"vectors of {found} numbers cannot be put beside those of {dimension}"
            if found and dimension
            else f"this store keeps passages {'with' if dimension else 'without'} vectors, and "
            f"these come {'with' if found else 'without'}",
            where=where,
            mend="It was made with another encoder. `luthier rag index --anew` makes it again, "
            "without its old versions; in PostgreSQL name another `rag.store.table` first.",
        )
    wanted = schema(found)
    if missing := sorted(set(wanted.names) ^ set(rows.schema.names)):
        raise StoreError(f"these rows lack or have too much: {', '.join(missing)}", where=where)
    try:
        rows = rows.select(wanted.names).cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StoreError(f"these rows have other columns: {error}", where=where) from error
    _check_values(rows, found, where)
    rows = _since_1970(rows, where)
    return rows, list(dict.fromkeys([*rows["document_id"].unique().to_pylist(), *change.gone]))


def dimension_of(rows: pa.Table | None) -> int | None:
    """The length of the vectors of checked rows: 0 for none, None without rows."""
    return None if rows is None else _dimension(rows)


def _dimension(rows: pa.Table) -> int:
    if VECTOR not in rows.schema.names:
        return 0
    kind = rows.schema.field(VECTOR).type
    return kind.list_size if pa.types.is_fixed_size_list(kind) else -1


def _check_values(rows: pa.Table, dimension: int, where: str) -> None:
    if empty := [name for name in rows.schema.names if rows[name].null_count]:
        raise StoreError(f"there are rows without {', '.join(empty)}", where=where)
    if pc.count_distinct(rows["id"]).as_py() < rows.num_rows:
        counts = rows["id"].value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[0]
        raise StoreError(f"two passages have the id '{twice}'", where=where)
    told = rows.group_by("document_id").aggregate([(DIGEST, "count_distinct")])
    if pc.max(told[f"{DIGEST}_count_distinct"]).as_py() > 1:
        raise StoreError("passages of one document have different digests", where=where)
    if dimension:
        vectors = vectors_of(rows)
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        if not bool((np.abs(lengths - 1.0) < _LENGTH_ERROR).all()):  # not a number is refused too
            worst = int(np.nanargmax(np.where(np.isfinite(lengths), np.abs(lengths - 1), np.inf)))
            one, length = rows["id"][worst], lengths[worst]
            raise StoreError(
                f"the vector of passage '{one}' has length {length:.3g}, not 1",
                where=where,
                mend="The encoder must normalise its vectors.",
            )


def _since_1970(rows: pa.Table, where: str) -> pa.Table:
    """Times before 1970 count as unknown, so that a slice of any time needs no comparison."""
    times = rows["modified_s"]
    if not pc.all(pc.is_finite(times)).as_py():
        raise StoreError("there are passages whose time of change is not a number", where=where)
    if pc.min(times).as_py() >= 0:
        return rows
    place = rows.schema.get_field_index("modified_s")
    return rows.set_column(place, rows.schema.field(place), pc.max_element_wise(times, 0.0))


def vectors_of(rows: pa.Table | pa.RecordBatch) -> Vectors:
    """The vectors of rows as a matrix, one row each."""
    column = rows[VECTOR]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    size = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(-1, size)


def check_asked(vectors: Vectors, dimension: int | None, where: str) -> None:
    """Refuse to search with vectors that are not as those of a store.

    Args:
        vectors: One for each question.
        dimension: Of the store's vectors; 0 for none, None if nothing was ever put.
        where: The store, for the message.

    Raises:
        StoreError: They have another dimension, or the store has none.
    """
    if dimension == 0:
        raise StoreError("this store keeps no vectors", where=where, mend="Search it by words.")
    if dimension is not None and vectors.shape[1] != dimension:
        raise StoreError(
            f"a vector of {vectors.shape[1]} numbers is searched among those of {dimension}",
            where=where,
            mend="Ask with the encoder that the store was made with.",
        )


def labels_of(meta: Iterable[tuple[str, str]]) -> list[str]:
    """Metadata as one string for each key and value, for an index over lists."""
    return [label(key, value) for key, value in meta]


def label(key: str, value: str) -> str:
    """One key and value as a string that no other key and value make."""
    return f"{key.replace('%', '%25').replace('=', '%3D')}={value}"


def version_in(versions: Sequence[Version], number: int, where: str) -> Version:
    """The version of a number.

    Raises:
        StoreError: There is none, or it was forgotten.
    """
    for one in versions:
        if one.number == number:
            return one
    there = ", ".join(str(one.number) for one in versions) or "none"
    raise StoreError(
        f"there is no version {number} (there are: {there})",
        where=where,
        mend="`luthier rag versions` lists them; old ones are forgotten.",
    )


def best(scores: Iterable[tuple[str, float]], depth: int) -> dict[str, float]:
    """The best of some hits, equal scores in the order of their ids."""
    return dict(sorted(scores, key=lambda hit: (-hit[1], hit[0]))[:depth])
