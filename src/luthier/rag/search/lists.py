"""Sorted names, and lists of rows by name: who may see a row, what it is marked with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from luthier.rag.search.native import library, pointer

Rows = npt.NDArray[np.int32]
_NONE = np.empty(0, np.int32)


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """Different names in the order of their bytes.

    Attributes:
        data: Their bytes, name after name.
        starts: int64, where each begins, and behind the last.
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def find(self, asked: Sequence[bytes]) -> Rows:
        """The place of each of some names, -1 for those that are not among them."""
        kernels = library()[0]
        if kernels is None:
            return np.array([self._place(name) for name in asked], np.int32)
        found = np.empty(len(asked), np.int32)
        starts = np.zeros(len(asked) + 1, np.int64)
        np.cumsum([len(name) for name in asked], out=starts[1:])
        kernels.find_names(
            pointer(self.data), pointer(self.starts), len(self), b"".join(asked),
            pointer(starts), len(asked), pointer(found),
        )  # fmt: skip
        return found

    def _place(self, name: bytes) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            here = self.data[self.starts[middle] : self.starts[middle + 1]].tobytes()
            if here == name:
                return middle
            low, high = (middle + 1, high) if here < name else (low, middle)
        return -1

    def to_arrow(self) -> pa.Array:
        """The names as a column of bytes."""
        buffers = [None, pa.py_buffer(self.starts), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.large_binary(), len(self), buffers)


def names_of(values: pa.Array) -> tuple[Names, Rows]:
    """Different values of a column of text as names, and the place of each value among them."""
    coded = values.cast(pa.large_binary()).dictionary_encode()
    order = pc.sort_indices(coded.dictionary)
    place = np.empty(len(order), np.int32)
    place[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    chosen = coded.dictionary.take(order)
    places = place[coded.indices.to_numpy(zero_copy_only=False)]
    starts, data = chosen.buffers()[1:]
    first = np.frombuffer(starts, np.int64, len(chosen) + 1) if len(chosen) else np.zeros(1, "i8")
    held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return Names(held[: first[-1]], first), places


def starts_of(numbers: Rows, count: int) -> npt.NDArray[np.int64]:
    """Where the list of each number below ``count`` begins, and where the last ends."""
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(numbers, minlength=count), out=starts[1:])
    return starts


@dataclasses.dataclass(frozen=True, slots=True)
class Lists:
    """The rows of each name, growing.

    Attributes:
        names: Which there are.
        starts: int64, where each name's rows begin, and behind the last.
        rows: int32.
    """

    names: Names
    starts: npt.NDArray[np.int64]
    rows: Rows

    def of(self, asked: Iterable[str]) -> list[Rows]:
        """The rows of each of some names that are there."""
        places = self.names.find([name.encode() for name in asked])
        return [self.rows[self.starts[p] : self.starts[p + 1]] for p in places.tolist() if p >= 0]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All its numbers, as `lists_from` takes them."""
        return {
            "data": self.names.data,
            "ends": self.names.starts,
            "starts": self.starts,
            "rows": self.rows,
        }


def lists_from(arrays: dict[str, npt.NDArray[Any]]) -> Lists:
    """Lists from their numbers."""
    return Lists(Names(arrays["data"], arrays["ends"]), arrays["starts"], arrays["rows"])


def lists_of(values: pa.Array, rows: Rows | None = None) -> Lists:
    """Lists by the values of a column.

    Args:
        values: Text.
        rows: The row of each value, growing; by default value i is of row i.
    """
    names, places = names_of(values)
    starts = starts_of(places, len(names))
    kernels = library()[0]
    if kernels is None:
        order = np.argsort(places, kind="stable").astype(np.int32)
        return Lists(names, starts, order if rows is None else rows[order])
    out, ahead = np.empty(len(places), np.int32), starts[:-1].copy()
    places = np.ascontiguousarray(places, np.int32)
    kernels.group(pointer(places), len(places), pointer(ahead), pointer(rows), pointer(out))
    return Lists(names, starts, out)


def union(lists: Sequence[Rows], count: int) -> npt.NDArray[np.uint8]:
    """1 for each of ``count`` rows that stands in a list, else 0."""
    marks = np.zeros(count, np.uint8)
    for rows in lists:
        marks[rows] = 1
    return marks
