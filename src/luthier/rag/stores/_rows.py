"""Passages as rows of a database with SQL, and back: one tuple each, lists and maps as JSON."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from luthier.core.columns import BATCH_ROWS, to_records
from luthier.core.records import Passage
from luthier.rag.stores._check import vectors_of
from luthier.rag.stores.store import VECTOR, schema

ALWAYS = 1 << 62
"""The version in which a row that lives goes: none."""
_PACKED = {"access", "meta"}
LONGEST_QUERY = 1000
"""Words that are searched for; a database refuses a condition without end."""


def values(rows: pa.Table, column: str) -> list[Any]:
    """A column's values; lists and maps as JSON, vectors as the bytes of float32."""
    if column == VECTOR:
        return [vector.tobytes() for vector in vectors_of(rows)]
    found: list[Any] = rows[column].to_pylist()
    if column == "access":
        return [json.dumps(list(one), ensure_ascii=False) for one in found]
    if column == "meta":
        return [json.dumps(dict(one), ensure_ascii=False) for one in found]
    return found


def batches(
    rows: Iterable[Sequence[Any]], columns: Sequence[str], dimension: int
) -> Iterator[pa.RecordBatch]:
    """Rows of a database as batches of a store.

    Args:
        rows: Values of the columns, packed as `values` packs them.
        columns: Names.
        dimension: Of the vectors.
    """
    whole = schema(dimension)
    kinds = pa.schema([whole.field(name) for name in columns])
    there = iter(rows)
    while piece := list(itertools.islice(there, BATCH_ROWS)):
        arrays = [
            _array(list(held), field)
            for held, field in zip(zip(*piece, strict=True), kinds, strict=True)
        ]
        yield pa.record_batch(arrays, schema=kinds)


def passages(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> dict[str, Passage]:
    """Rows of a database as passages, by id."""
    found: dict[str, Passage] = {}
    for batch in batches(rows, columns, 0):
        found.update((one.id, one) for one in to_records(batch, Passage))
    return found


def words_of(query: str) -> list[str]:
    """The different words of a query, in their order."""
    found = dict.fromkeys(re.findall(r"[^\W_]+", query.lower()))
    return list(found)[:LONGEST_QUERY]


def _array(held: list[Any], field: pa.Field) -> pa.Array:
    if field.name == VECTOR:
        flat = pa.array(memoryview(b"".join(held)).cast("f"), pa.float32())
        return pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)
    if field.name in _PACKED:
        held = [json.loads(one) for one in held]
        if field.name == "meta":
            held = [list(one.items()) for one in held]
    return pa.array(held, field.type)
