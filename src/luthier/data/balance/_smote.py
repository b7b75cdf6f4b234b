"""SMOTE and its kin: new vectors between neighbours of one class, each with its two parents.

The draws are those of imbalanced-learn, so that the same seed gives the same vectors (a test says
so); what it does not tell, and lineage needs, is which rows a vector was made from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, assert_never

import numpy as np
import numpy.typing as npt

from luthier.data.balance._neighbours import Floats, Places, neighbours

SmoteMethod = Literal["smote", "borderline", "adasyn"]
BORDER_NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """New vectors of one class.

    Attributes:
        vectors: Shape (n, d).
        first: Place of the row each started from.
        second: Place of the row each went towards.
        method: How they were made; not what was asked for where that could not be done.
    """

    vectors: Floats
    first: Places
    second: Places
    method: str


def synthesise(
    vectors: Floats,
    labels: Sequence[str],
    label: str,
    count: int,
    *,
    method: SmoteMethod,
    neighbour_count: int,
    seed: int,
) -> Made:
    """New vectors for one class.

    A class of one row has no neighbours: its vector is repeated. Where no row of the class lies
    near another class, ``borderline`` and ``adasyn`` have nothing to go by, and plain SMOTE is
    used.

    Args:
        vectors: All training rows, shape (n, d).
        labels: Their classes.
        label: The class to add to.
        count: How many to make; ``adasyn`` rounds for each row and may make a few more or fewer.
        method: ``smote`` (Chawla et al. 2002), ``borderline`` (the first of Han et al. 2005),
            ``adasyn`` (He et al. 2008).
        neighbour_count: Of how many nearest rows of the class one is drawn; fewer in small classes.
        seed: From 0 to 2^32 - 1.
    """
    names = np.asarray(labels)
    own = np.flatnonzero(names == label)
    if len(own) == 1:
        only = np.repeat(own, count)
        return Made(vectors[only], only, only, "copy")
    mine = vectors[own]
    near = neighbours(mine, mine, np.arange(len(own)), min(neighbour_count, len(own) - 1))
    random = np.random.RandomState(seed)
    match method:
        case "smote":
            starts = np.arange(len(own))
        case "borderline":
            starts = _in_danger(vectors, names, own)
        case "adasyn":
            shares = _foreign_shares(vectors, names, own, neighbour_count)
            if shares.any():
                made = np.rint(shares / shares.sum() * count).astype(np.intp)
                rows = np.repeat(np.arange(len(own)), made)
                columns = random.choice(near.shape[1], size=len(rows))
                return _between(mine, own, near, rows, columns, random, method)
            starts = np.empty(0, dtype=np.intp)
        case _:
            assert_never(method)
    used = method
    if not len(starts):
        starts, used = np.arange(len(own)), "smote"
    drawn = random.randint(low=0, high=len(starts) * near.shape[1], size=count)
    rows, columns = starts[drawn // near.shape[1]], drawn % near.shape[1]
    return _between(mine, own, near, rows, columns, random, used)


def _between(
    mine: Floats,
    own: Places,
    near: Places,
    rows: Places,
    columns: Places,
    random: np.random.RandomState,
    method: str,
) -> Made:
    """A point at a random place on the way from each row to the chosen neighbour."""
    towards = near[rows, columns]
    steps = random.uniform(size=(len(rows), 1))
    made = mine[rows] + steps * (mine[towards] - mine[rows])
    return Made(made.astype(mine.dtype), own[rows], own[towards], method)


def _in_danger(vectors: Floats, names: npt.NDArray[Any], own: Places) -> Places:
    """Rows of which half or more, but not all, of the ten nearest are of another class."""
    count = min(BORDER_NEIGHBOURS, len(vectors) - 1)
    near = neighbours(vectors[own], vectors, own, count)
    foreign = (names[near] != names[own][:, None]).sum(axis=1)
    return np.flatnonzero((foreign >= count / 2) & (foreign < count))


def _foreign_shares(
    vectors: Floats, names: npt.NDArray[Any], own: Places, neighbour_count: int
) -> npt.NDArray[np.float64]:
    """Share of another class among each row's nearest rows."""
    count = min(neighbour_count, len(vectors) - 1)
    near = neighbours(vectors[own], vectors, own, count)
    shares: npt.NDArray[np.float64] = (names[near] != names[own][:, None]).mean(axis=1)
    return shares
