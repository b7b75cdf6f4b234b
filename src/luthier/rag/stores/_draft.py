"""Vectors that were computed and are not in a store yet: on disk, so that a killed run goes on.

The file is a head (a mark and the dimension) and records of a key and a vector, only ever added
to. What was added before the process was killed is there; half a record at the end is cut off.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from luthier.core.errors import StoreError
from luthier.models.encode import Vectors

_MARK = b"luthier1"
_HEAD = len(_MARK) + 4
KEY_BYTES = 16
_AT_ONCE = 4096  # vectors read together

Key = bytes


def key_of(title: str, text: str) -> Key:
    """What stands for a text that is embedded."""
    told = f"{len(title)}\n{title}{text}".encode(errors="surrogatepass")
    return hashlib.blake2b(told, digest_size=KEY_BYTES).digest()


class Draft:
    """Vectors by key, in memory only where they are.

    Args:
        path: The file; made when the first vectors are added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[Key, int] = {}
        self._dimension = 0
        if path.exists():
            self._open()

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, keys: Sequence[Key], vectors: Vectors) -> None:
        """Add vectors; they are there after a kill when this returns.

        Raises:
            StoreError: They have another dimension than those before.
        """
        size = int(vectors.shape[1])
        if self._dimension and size != self._dimension:
            raise StoreError(
                f"the encoder gives vectors of {size} numbers after some of {self._dimension}",
                where=str(self._path),
            )
        known = len(self._places)
        made = np.zeros(len(keys), self._record(size))
        made["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
        made["vector"] = vectors
        with self._path.open("ab") as file:
            if not self._dimension:
                file.write(_MARK + np.int32(size).tobytes())
            file.write(made.tobytes())
        self._dimension = size
        self._places.update(zip(keys, range(known, known + len(keys)), strict=True))

    def vectors(self, keys: Sequence[Key]) -> Vectors:
        """Vectors of some keys, which must be there."""
        if not keys:
            return np.zeros((0, self._dimension), np.float32)
        record = self._record(self._dimension)
        places = np.array([self._places[key] for key in keys])
        order = np.argsort(places, kind="stable")
        ranked, made = places[order], np.empty((len(keys), self._dimension), np.float32)
        with self._path.open("rb") as file:  # not mapped: what is read would stay in memory
            for first in range(0, len(self._places), _AT_ONCE):
                low, high = np.searchsorted(ranked, (first, first + _AT_ONCE))
                if low < high:
                    file.seek(_HEAD + first * record.itemsize)
                    held = np.fromfile(file, record, _AT_ONCE)
                    made[order[low:high]] = held["vector"][ranked[low:high] - first]
        return made

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)
        self._places, self._dimension = {}, 0

    def _open(self) -> None:
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            head = file.read(_HEAD)
        if len(head) < _HEAD or not head.startswith(_MARK):
            self._path.unlink()  # killed within the head, or not ours: nothing is lost
            return
        self._dimension = int(np.frombuffer(head[len(_MARK) :], np.int32)[0])
        record = self._record(self._dimension)
        count = (size - _HEAD) // record.itemsize
        if size != _HEAD + count * record.itemsize:
            os.truncate(self._path, _HEAD + count * record.itemsize)
        if count:
            records = np.memmap(self._path, record, "r", offset=_HEAD)
            keys = records["key"].tobytes()
            starts = range(0, len(keys), KEY_BYTES)
            self._places = {keys[at : at + KEY_BYTES]: i for i, at in enumerate(starts)}

    @staticmethod
    def _record(size: int) -> np.dtype[np.void]:
        return np.dtype([("key", np.uint8, KEY_BYTES), ("vector", np.float32, size)])
