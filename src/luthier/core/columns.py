"""How records become columns of a table, and columns become records again.

Column types follow from the dataclass fields alone. All values of a field are turned at once: a
list of lists is one long array cut into pieces, and records are filled slot by slot.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import operator
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import pyarrow as pa

BATCH_ROWS = 8192
"""Rows that become columns, or are read, at once."""

Record = TypeVar("Record")


def schema_of(record: type[Any]) -> pa.Schema:
    """The Arrow schema of a record dataclass."""
    hints = _hints(record)
    return pa.schema([(f.name, _arrow(hints[f.name])) for f in dataclasses.fields(record)])


_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def _arrow(hint: Any) -> pa.DataType:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(_arrow(args[0]))
    if origin is dict:
        return pa.map_(_arrow(args[0]), _arrow(args[1]))
    if origin in (typing.Union, types.UnionType):
        return _arrow(next(a for a in args if a is not type(None)))
    if dataclasses.is_dataclass(hint):
        inner = _hints(hint)
        return pa.struct([(f.name, _arrow(inner[f.name])) for f in dataclasses.fields(hint)])
    raise TypeError(f"no Arrow type for {hint}")


_hints: Callable[[Any], dict[str, Any]] = functools.cache(typing.get_type_hints)


def to_table(rows: Sequence[object], record: type[Any]) -> pa.Table:
    """Records as a table, column by column.

    Some rows at a time: a piece of a column holds 2 GiB of text at most.
    """
    schema = schema_of(record)
    pieces = [rows[at : at + BATCH_ROWS] for at in range(0, len(rows), BATCH_ROWS)]
    return pa.concat_tables(
        [pa.Table.from_arrays(_fields(piece, record), schema=schema) for piece in pieces]
        or [schema.empty_table()]
    )


def _fields(rows: Sequence[object], record: type[Any]) -> list[pa.Array]:
    hints = _hints(record)
    return [
        _column(list(map(operator.attrgetter(field.name), rows)), hints[field.name])
        for field in dataclasses.fields(record)
    ]


def _column(values: list[Any], hint: Any) -> pa.Array:
    """Values as an array: lists and maps as one long array of their items, cut into pieces."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if (inner := _unless_none(hint)) is not None:
        there = itertools.count()
        places = [None if value is None else next(there) for value in values]
        held = _column([value for value in values if value is not None], inner)
        return held.take(pa.array(places, pa.int64()))
    if origin is tuple:
        items = _column(list(itertools.chain.from_iterable(values)), args[0])
        return pa.ListArray.from_arrays(_cuts(values), items)
    if origin is dict:
        keys = _column(list(itertools.chain.from_iterable(values)), args[0])
        items = _column([v for value in values for v in value.values()], args[1])
        return pa.MapArray.from_arrays(_cuts(values), keys, items)
    if _is_record(hint):
        kinds = typing.cast(pa.StructType, _arrow(hint))
        return pa.StructArray.from_arrays(_fields(values, hint), fields=list(kinds))
    return pa.array(values, _arrow(hint))


def _cuts(values: list[Any]) -> pa.Array:
    """Where each value's items begin, and where the last one's end."""
    return pa.array([0, *itertools.accumulate(map(len, values))], pa.int32())


def to_records(table: Any, record: type[Record]) -> list[Record]:
    """A table or batch as records; a column that the file lacks takes the field's default."""
    names = table.schema.names
    hints = _hints(record)
    columns = [
        _values(column, hints[name]) for name, column in zip(names, table.columns, strict=True)
    ]
    order = [f.name for f in dataclasses.fields(typing.cast(Any, record))]
    if names == order:
        return _made(record, columns)
    rows = zip(*columns, strict=True)
    return [record(**dict(zip(names, row, strict=True))) for row in rows]


def _made(record: type[Record], columns: Sequence[Sequence[Any]]) -> list[Record]:
    """Records from all their columns, set field by field: many times faster than one by one."""
    made = list(map(object.__new__, itertools.repeat(record, len(columns[0]))))
    for field, values in zip(dataclasses.fields(typing.cast(Any, record)), columns, strict=True):
        collections.deque(map(getattr(record, field.name).__set__, made, values), maxlen=0)
    return made


def _is_record(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint)


def with_columns(
    rows: Sequence[Record], record: type[Record], **columns: Sequence[Any]
) -> list[Record]:
    """Copies of records with other values in some fields; quicker than ``dataclasses.replace``.

    Args:
        rows: The records.
        record: Their dataclass (with slots).
        columns: By field, a value for each row.
    """
    names = [field.name for field in dataclasses.fields(typing.cast(Any, record))]
    if unknown := columns.keys() - names:
        raise TypeError(f"{record.__name__} has no field {min(unknown)}")
    return _made(
        record, [columns.get(name) or list(map(operator.attrgetter(name), rows)) for name in names]
    )


def _unless_none(hint: Any) -> Any:
    """What a value is if it is not None; None if it always is something, or one cell holds it."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return None
    kind = next(a for a in typing.get_args(hint) if a is not type(None))
    return None if kind in _SCALARS else kind


def _values(column: Any, hint: Any) -> list[Any]:
    """What ``_column`` made an array of."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in _values(chunk, hint)]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if (kind := _unless_none(hint)) is not None:
        held = iter(_values(column.drop_null(), kind))
        return [next(held) if there else None for there in column.is_valid().to_pylist()]
    if origin is tuple:
        items = _values(column.flatten(), args[0])
        starts = column.offsets.to_numpy()
        bounds = (starts - starts[0]).tolist()
        return [tuple(items[a:b]) for a, b in itertools.pairwise(bounds)]
    if origin is dict:
        return list(map(dict, column.to_pylist()))
    if _is_record(hint):
        kinds, inner = column.type, _hints(hint)
        names = [kinds.field(n).name for n in range(kinds.num_fields)]
        parts = [
            _values(part, inner[name]) for name, part in zip(names, column.flatten(), strict=True)
        ]
        if names == [f.name for f in dataclasses.fields(hint)]:
            return _made(hint, parts)
        rows = zip(*parts, strict=True)
        return [hint(**dict(zip(names, row, strict=True))) for row in rows]
    return list(column.to_pylist())
