"""Read a few rows of a table's columns at once, without Arrow's cost for each column and value.

Taking ten rows out of a table and making records of them costs Arrow some hundred microseconds,
which is more than finding them. Here each column is a reader made once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Rows = npt.NDArray[np.int32]
Read = Callable[[Rows], list[Any]]
"""The values of some rows, as Python has them."""


def reader(column: pa.Array) -> Read:
    """What reads a column without nulls: text, numbers, and lists or maps of these.

    Lists are read as tuples, as records have them.
    """
    kind = column.type
    if pa.types.is_string(kind):
        return _texts(column)
    if pa.types.is_map(kind):
        keys, items = reader(column.keys), reader(column.items)
        both: Read = lambda rows: list(zip(keys(rows), items(rows), strict=True))  # noqa: E731
        return _listed(column.offsets.to_numpy(), both, dict)
    if pa.types.is_list(kind):
        return _listed(column.offsets.to_numpy(), reader(column.values), tuple)
    numbers = column.to_numpy(zero_copy_only=False)
    return lambda rows: list(numbers[rows].tolist())


def _texts(column: pa.Array) -> Read:
    _, ends, data = column.buffers()
    if data is None or ends is None:
        return lambda rows: [""] * len(rows)
    starts = np.frombuffer(ends, np.int32, len(column) + 1, 4 * column.offset)
    behind, held = starts[1:], memoryview(data)

    def read(rows: Rows) -> list[str]:
        pairs = zip(starts[rows].tolist(), behind[rows].tolist(), strict=True)
        return [str(held[first:last], "utf-8") for first, last in pairs]

    return read


def _listed(
    starts: npt.NDArray[np.int32], inner: Read, made: Callable[[Sequence[Any]], Any]
) -> Read:
    behind = starts[1:]

    def read(rows: Rows) -> list[Any]:
        first, last = starts[rows], behind[rows]
        sizes = (last - first).tolist()
        if not any(sizes):
            return [made(()) for _ in sizes]
        at = list(map(range, first.tolist(), last.tolist()))
        values = iter(inner(np.fromiter(itertools.chain.from_iterable(at), np.int32)))
        return [made(tuple(itertools.islice(values, size))) for size in sizes]

    return read
