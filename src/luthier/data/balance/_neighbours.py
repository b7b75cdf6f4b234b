"""Nearest neighbours by exact search, and what two clean-up rules make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Places = npt.NDArray[np.intp]

_BLOCK_ROWS = 1024
EDITED_NEIGHBOURS = 3


def neighbours(of: Floats, among: Floats, own: Places, count: int) -> Places:
    """The nearest rows by Euclidean distance, nearest first, a row itself left out.

    Exact and by blocks: time grows with the product of both sizes, memory with the second alone.

    Args:
        of: Rows whose neighbours are sought, shape (n, d).
        among: Where they are sought, shape (m, d).
        own: Place of each row of ``of`` in ``among``.
        count: Neighbours for each row, below m.

    Returns:
        Places in ``among``, shape (n, count).
    """
    found = np.empty((len(of), count), dtype=np.intp)
    squares = np.einsum("ij,ij->i", among, among)
    for first in range(0, len(of), _BLOCK_ROWS):
        block = of[first : first + _BLOCK_ROWS]
        distances = squares - 2.0 * (block @ among.T)  # less a constant for each row
        distances[np.arange(len(block)), own[first : first + _BLOCK_ROWS]] = np.inf
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1, kind="stable")
        found[first : first + _BLOCK_ROWS] = np.take_along_axis(nearest, order, axis=1)
    return found


def tomek_links(vectors: Floats, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Rows that are each other's nearest neighbour but of another class (Tomek 1976)."""
    names = np.asarray(labels)
    everyone = np.arange(len(vectors))
    nearest = neighbours(vectors, vectors, everyone, 1)[:, 0]
    links: npt.NDArray[np.bool_] = (nearest[nearest] == everyone) & (names[nearest] != names)
    return links


def outnumbered(vectors: Floats, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Rows of another class than most of their three nearest neighbours.

    The edited nearest neighbour rule (Wilson 1972), as Batista et al. 2004, section 3, join it to
    SMOTE.
    """
    names = np.asarray(labels)
    count = min(EDITED_NEIGHBOURS, len(vectors) - 1)
    nearest = neighbours(vectors, vectors, np.arange(len(vectors)), count)
    others: npt.NDArray[np.bool_] = (names[nearest] != names[:, None]).sum(axis=1) > count / 2
    return others
