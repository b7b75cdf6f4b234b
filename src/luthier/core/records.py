"""The rows that travel between stages, and how they are written to and read from Parquet.

Every record keeps its ``origin`` (``faq.csv:17``, ``textwrap.py:377``) to the end. Column types
follow from the dataclass fields alone, so a file is read back exactly as it was written.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import operator
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from luthier.core.errors import StoreError

BATCH_ROWS = 8192
"""Rows that are read at once."""

Role = Literal["system", "user", "assistant", "tool"]
Side = Literal["", "train", "validation", "test"]


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        content: What is said; may be empty in an assistant's turn that only calls tools.
        tool_calls: The calls of an assistant's turn, a JSON list as OpenAI's API writes it, or "".
        tool_call_id: In a tool's turn, the call it answers.
    """

    role: Role
    content: str
    tool_calls: str = ""
    tool_call_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One collected unit of text, before it is cut into passages.

    Attributes:
        id: Stable and unique among all documents (``textwrap.fill``, ``faq.csv:17``).
        title: What a person would call it.
        text: The text itself, never empty.
        origin: ``file:line`` (or URL, ``table:key``) it was read from.
        kind: ``module``, ``class``, ``function``, ``row``, ``text``.
        group: What must stay on one side of the split together (often the parent document).
        meta: Anything else the source knows, such as ``signature`` or ``parent``.
    """

    id: str
    title: str
    text: str
    origin: str
    kind: str
    group: str
    meta: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """A conversation whose last message is the answer to learn or to be measured against.

    Attributes:
        id: Stable and unique.
        messages: At least a user and an assistant turn; the last is the assistant's.
        origin: Where its answer stands (``file:line``).
        group: Examples of one group are always on the same side of the split.
        kind: What is asked for: ``fact``, ``form`` or the user's own tag. Reported apart.
        document_id: The document the answer stands in, or "" if none.
        side: ``train``, ``validation`` or ``test`` after the split, else "".
        label: The class of a classification row (the answer is its text), or "".
        rejected: Preference rows: the worse answer to the same prompt, one or more turns.
        desirable: KTO rows: whether the answer is a good one; None for all others.
        tools: The tools on offer, a JSON list as OpenAI's API takes it, or "".
        parent: The row this one was made from (augmented, over-sampled, synthesised), or "".
    """

    id: str
    messages: tuple[Message, ...]
    origin: str
    group: str
    kind: str
    document_id: str = ""
    side: Side = ""
    label: str = ""
    rejected: tuple[Message, ...] = ()
    desirable: bool | None = None
    tools: str = ""
    parent: str = ""

    @property
    def question(self) -> str:
        """The last user turn."""
        return next(m.content for m in reversed(self.messages) if m.role == "user")

    @property
    def answer(self) -> str:
        """The reference answer: the last message."""
        return self.messages[-1].content

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the reference answer."""
        return self.messages[:-1]


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """A slice of a document as it is indexed: ``document.text[start:end] == text``.

    Attributes:
        id: ``document_id#start``.
        score: Retrieval score; 0 when not retrieved.
    """

    id: str
    document_id: str
    title: str
    text: str
    origin: str
    start: int
    end: int
    score: float = 0.0


Record = TypeVar("Record")


def write_table(path: Path, rows: Iterable[object], record: type[Record]) -> int:
    """Write records to a Parquet file and return how many were written.

    Args:
        path: The file to write.
        rows: Instances of ``record``.
        record: The dataclass (with slots); it decides the columns, also when there are no rows.
    """
    table = _table(list(rows), record)
    pq.write_table(table, path, compression="zstd")
    return int(table.num_rows)


class TableWriter:
    """Writes records to a Parquet file batch by batch, for tables that don't fit in memory.

    Use it as a context manager: the file is whole when the block ends.

    Args:
        path: The file to write.
        record: The dataclass; it decides the columns.
    """

    def __init__(self, path: Path, record: type[Any]) -> None:
        self.rows = 0
        self._record = record
        self._writer = pq.ParquetWriter(path, schema_of(record), compression="zstd")

    def write(self, rows: Iterable[object]) -> None:
        """Append one batch as one row group; an empty batch writes nothing."""
        batch = list(rows)
        if batch:
            self._writer.write_table(_table(batch, self._record))
            self.rows += len(batch)

    def __enter__(self) -> TableWriter:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._writer.close()


def copy_rows(source: Path, target: Path, keep: npt.NDArray[np.bool_]) -> None:
    """Copy some rows of a table as they are, batch by batch.

    Args:
        source: A Parquet file.
        target: The new one.
        keep: For each row whether it is copied.

    Raises:
        StoreError: The file is missing or is not Parquet.
    """
    try:
        with (
            pq.ParquetFile(source) as file,
            pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer,
        ):
            place = 0
            for batch in file.iter_batches(BATCH_ROWS):
                writer.write_batch(batch.filter(pa.array(keep[place : place + len(batch)])))
                place += len(batch)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(source)) from error


def iterate_table(
    path: Path, record: type[Record], batch_rows: int = BATCH_ROWS
) -> Iterator[list[Record]]:
    """Read back what ``write_table`` or ``TableWriter`` wrote, batch by batch.

    Args:
        path: The file.
        record: The dataclass of its rows.
        batch_rows: Largest number of rows in a batch.

    Raises:
        StoreError: The file is missing, is not Parquet, or has other columns.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_rows):
                yield _records(batch, record)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(path)) from error
    except (TypeError, KeyError) as error:
        raise StoreError(
            f"this table does not hold {record.__name__} rows: {error}", where=str(path)
        ) from error


def read_table(path: Path, record: type[Record]) -> list[Record]:
    """Read back what ``write_table`` wrote.

    Raises:
        StoreError: The file is missing, is not Parquet, or has other columns.
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(path)) from error
    try:
        return _records(table, record)
    except (TypeError, KeyError) as error:
        raise StoreError(
            f"this table does not hold {record.__name__} rows: {error}", where=str(path)
        ) from error


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


def _table(rows: Sequence[object], record: type[Any]) -> pa.Table:
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


def _records(table: Any, record: type[Record]) -> list[Record]:
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
