"""Which rows people should label next: the uncertain, the diverse, or any.

Least confidence, margin and entropy: B. Settles, *Active learning literature survey*, 2009,
section 3.1. k-center greedy: O. Sener, S. Savarese, *Active learning for convolutional neural
networks: a core-set approach*, 2018, algorithm 1. k-means: the row nearest to each centre, as in
Z. Bodo et al., *Active learning with clustering*, 2011.
"""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Sequence
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.errors import ConfigError, ResourceError
from luthier.core.spec import Spec
from luthier.models.encode import Vectors

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Strategy = Literal["random", "confidence", "margin", "entropy", "k-center", "k-means"]

FILE_NAME = "queue.parquet"
NEEDS_VECTORS = ("k-center", "k-means")
_AT_ONCE = 4096  # rows compared with all labelled ones at once


class QueueSpec(Spec):
    """Which rows are put before people next."""

    strategy: Strategy = "margin"
    """`confidence` (least likely best label), `margin` (best two labels closest), `entropy` (most
    spread), `k-center` (farthest from all that is labelled), `k-means` (nearest to the centre of
    each of `size` clusters), or `random`. Without predictions, `k-center`; without an encoder
    too, `random`."""
    size: int = Field(default=100, ge=0)
    """Most rows in the queue."""


@dataclasses.dataclass(frozen=True, slots=True)
class Queued:
    """One row for people, as ``queue.parquet`` holds it.

    Attributes:
        row_id: The row.
        rank: 1 is to be labelled first.
        strategy: Why it is here.
        text: What to label.
        origin: Where it was read from.
        guess: The label a model would give, or "".
        confidence: How sure it is, 0 to 1.
    """

    row_id: str
    rank: int
    strategy: Strategy
    text: str
    origin: str
    guess: str
    confidence: float


def usable(strategy: Strategy, *, predictions: bool, vectors: bool) -> Strategy:
    """The strategy itself, or the next best one that can do with what there is."""
    if strategy in NEEDS_VECTORS or strategy == "random" or predictions:
        return "random" if strategy in NEEDS_VECTORS and not vectors else strategy
    return "k-center" if vectors else "random"


def choose(
    strategy: Strategy,
    size: int,
    ids: Sequence[str],
    *,
    seed: int,
    probabilities: Reals | None = None,
    vectors: Vectors | None = None,
    labelled: Vectors | None = None,
) -> list[int]:
    """Numbers of the rows to label next, the first to be labelled first.

    Args:
        strategy: See ``QueueSpec``.
        size: Most rows.
        ids: Ids of the rows that may be chosen. Where rows are equally good, a hash of the id
            decides, so that the order of the rows doesn't.
        seed: Of that hash, and of k-means.
        probabilities: [rows, labels]; for the uncertain.
        vectors: [rows, d]; for the diverse.
        labelled: [n, d] vectors of what is labelled already; k-center keeps away from them.

    Raises:
        ConfigError: The strategy needs probabilities or vectors that were not given.
        ResourceError: k-means is asked for and scikit-learn is not installed.
    """
    size = min(size, len(ids))
    if size == 0:
        return []
    chance = _chance(ids, seed)
    match strategy:
        case "random":
            order = np.argsort(chance)
        case "confidence" | "margin" | "entropy":
            if probabilities is None:
                raise ConfigError(f"{strategy} sampling needs a model that labels")
            order = np.lexsort((chance, -uncertainty(strategy, probabilities)))
        case "k-center":
            order = _k_center(_given(strategy, vectors), size, labelled, chance)
        case "k-means":
            order = _k_means(_given(strategy, vectors), size, seed, chance)
        case _:
            assert_never(strategy)
    return [int(i) for i in order[:size]]


def uncertainty(
    strategy: Literal["confidence", "margin", "entropy"], probabilities: Reals
) -> Reals:
    """How uncertain each row is; more is more uncertain. Zeros (no prediction) are most so."""
    match strategy:
        case "confidence":
            return np.asarray(1 - probabilities.max(axis=1))
        case "margin":
            best_two = np.partition(probabilities, -2, axis=1)[:, -2:]
            return np.asarray(1 - (best_two[:, 1] - best_two[:, 0]))
        case "entropy":
            spread = -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1)
            unknown = probabilities.sum(axis=1) == 0
            return np.asarray(np.where(unknown, np.log(probabilities.shape[1]) + 1, spread))
        case _:
            assert_never(strategy)


def _k_center(vectors: Vectors, size: int, labelled: Vectors | None, chance: Reals) -> Whole:
    """Again and again the row farthest (by cosine) from all labelled and chosen ones."""
    nearest = np.full(len(vectors), -np.inf)
    if labelled is not None and len(labelled):
        for first in range(0, len(vectors), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            nearest[part] = (vectors[part] @ labelled.T).max(axis=1)
    chosen = np.empty(size, dtype=np.int64)
    for number in range(size):
        lowest = np.flatnonzero(nearest == nearest.min())
        chosen[number] = lowest[np.argmin(chance[lowest])]
        nearest = np.maximum(nearest, vectors @ vectors[chosen[number]])
        nearest[chosen[: number + 1]] = np.inf
    return chosen


def _k_means(vectors: Vectors, size: int, seed: int, chance: Reals) -> Whole:
    """The row nearest to the centre of each cluster, large clusters first."""
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        raise ResourceError(
            "k-means sampling needs scikit-learn, which is not installed",
            where="data.annotate.queue",
            mend="pip install scikit-learn, or use `k-center`",
        ) from error
    order = np.argsort(chance)  # the same clusters whatever the order of the rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        found = KMeans(size, n_init=1, random_state=seed).fit(vectors[order])
    away = ((vectors[order] - found.cluster_centers_[found.labels_]) ** 2).sum(axis=1)
    nearest: dict[int, int] = {}
    for place in np.argsort(away, kind="stable"):
        nearest.setdefault(int(found.labels_[place]), int(order[place]))
    sizes = np.bincount(found.labels_, minlength=size)
    first = [nearest[c] for c in np.argsort(-sizes, kind="stable") if int(c) in nearest]
    taken = set(first)  # rows that are alike make fewer clusters than asked for
    return np.array([*first, *(i for i in order if int(i) not in taken)], dtype=np.int64)


def _given(strategy: Strategy, vectors: Vectors | None) -> Vectors:
    if vectors is None:
        raise ConfigError(
            f"{strategy} sampling needs an encoder", where="data.annotate.queue.strategy"
        )
    return vectors


def _chance(ids: Sequence[str], seed: int) -> Reals:
    """A number in [0, 1) for each row, from seed and id alone."""
    digests = (hashlib.sha256(f"{seed}\x1f{i}".encode()).digest() for i in ids)
    return np.array([int.from_bytes(d[:8], "big") / 2**64 for d in digests])
