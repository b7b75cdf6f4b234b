"""Exact vector search for databases that know no vectors: a matrix in memory, read once.

The database decides which rows may be looked at, for each question anew; the matrix only holds
numbers. So what is erased or not to be seen cannot come back from here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from luthier.models.encode import Vectors

_BLOCK = 8192  # rows multiplied at once

Rows = npt.NDArray[np.int64]


def numbers(found: Iterable[tuple[int]]) -> Rows:
    """Rows of a database with one number each."""
    return np.fromiter((row for (row,) in found), np.int64)


class VectorCache:
    """The vectors of a store by row number.

    Rows are never changed, only added and taken away, so a number stands for one vector for ever.

    Args:
        read: Numbers and vectors (the bytes of float32) of all rows behind the row of a number, in
            ascending order.
    """

    def __init__(self, read: Callable[[int], Iterable[tuple[int, bytes]]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._rows: Rows = np.zeros(0, np.int64)
        self._vectors: Vectors = np.zeros((0, 0), np.float32)

    def clear(self) -> None:
        """Forget all vectors."""
        with self._lock:
            self._rows, self._vectors = np.zeros(0, np.int64), np.zeros((0, 0), np.float32)

    def nearest(self, asked: Vectors, rows: Rows, depth: int) -> list[list[tuple[int, float]]]:
        """The rows nearest to some vectors among those given, nearest first.

        Args:
            asked: Of length 1.
            rows: Numbers of the rows that may be found, ascending.
            depth: How many for each; more where the last ones are equally near.
        """
        if not len(rows):
            return [[] for _ in asked]
        held, vectors = self._with(rows)
        scores = np.empty((len(asked), len(rows)), np.float32)
        if len(held) == len(rows):
            np.matmul(asked, vectors.T, out=scores)
            return [_best(rows, line, depth) for line in scores]
        places = np.searchsorted(held, rows)
        for first in range(0, len(rows), _BLOCK):
            part = slice(first, first + _BLOCK)
            scores[:, part] = asked @ vectors[places[part]].T
        return [_best(rows, line, depth) for line in scores]

    def _with(self, rows: Rows) -> tuple[Rows, Vectors]:
        """All known rows and vectors, those given among them."""
        with self._lock:
            last = int(self._rows[-1]) if len(self._rows) else -1
            if len(rows) and int(rows[-1]) > last:
                self._add(list(self._read(last)))
            return self._rows, self._vectors

    def _add(self, found: Sequence[tuple[int, bytes]]) -> None:
        numbers = np.fromiter((row for row, _ in found), np.int64, len(found))
        flat = np.frombuffer(b"".join(blob for _, blob in found), np.float32)
        vectors = flat.reshape(len(found), -1)
        known = len(self._rows) > 0
        self._rows = np.concatenate([self._rows, numbers])
        self._vectors = np.concatenate([self._vectors, vectors]) if known else vectors


def _best(rows: Rows, scores: Vectors, depth: int) -> list[tuple[int, float]]:
    if depth < len(rows):
        least = np.partition(scores, len(rows) - depth)[len(rows) - depth]
        kept = np.flatnonzero(scores >= least)
    else:
        kept = np.arange(len(rows))
    order = kept[np.argsort(-scores[kept], kind="stable")]
    return [(int(rows[i]), float(scores[i])) for i in order]
