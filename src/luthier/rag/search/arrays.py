"""Arrays of numbers in one file, read by mapping it into memory.

A file holds a mark, the length of a JSON table, the table (name, type, shape and place of each
array) and the arrays, each at a multiple of 64 bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.core.errors import StoreError

_MARK = b"LUTHARR1"
_STEP = 64
_PIECE = 1 << 24
Arrays = dict[str, npt.NDArray[Any]]


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays to a new file."""
    table: dict[str, list[Any]] = {}
    at = 0
    for name, values in arrays.items():
        table[name] = [values.dtype.str, list(values.shape), at]
        at = _up(at + values.nbytes)
    head = json.dumps(table).encode()
    first = _up(len(_MARK) + 8 + len(head))
    with path.open("wb") as file:
        file.write(_MARK + len(head).to_bytes(8, "little") + head)
        for name, values in arrays.items():
            file.write(b"\0" * (first + table[name][2] - file.tell()))
            if values.nbytes:
                file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


def read_arrays(path: Path) -> Arrays:
    """The arrays of a file, mapped: they are read from the disk when they are used.

    Raises:
        StoreError: The file is missing, too short, or is no file of arrays.
    """
    try:
        held = np.memmap(path, np.uint8, "r")
        size = int.from_bytes(held[8:16].tobytes(), "little")
        if held[:8].tobytes() != _MARK or size > len(held):
            raise ValueError("it is not a file of arrays")
        table = json.loads(held[16 : 16 + size].tobytes())
        first, plain = _up(16 + size), held.view(np.ndarray)
        made: Arrays = {}
        for name, (kind, shape, at) in table.items():
            count = int(np.prod(shape, dtype=np.int64))
            made[name] = np.frombuffer(plain, kind, count, first + at if count else 0)
            made[name] = made[name].reshape(shape)
        return made
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"cannot read these arrays: {error}", where=str(path)) from error


def checksum(path: Path) -> int:
    """The CRC-32 of a file."""
    made = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            made = zlib.crc32(piece, made)
    return made


def _up(size: int) -> int:
    return -(-size // _STEP) * _STEP
