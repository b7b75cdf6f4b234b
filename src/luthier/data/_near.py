"""Pairs of texts, one of each side, whose weighted Jaccard similarity reaches a threshold.

The search is exact: a prefix filter (S. Chaudhuri, V. Ganti, R. Kaushik, *A primitive operator
for similarity joins in data cleaning*, 2006; R. Bayardo, Y. Ma, R. Srikant, *Scaling up all pairs
similarity search*, 2007) skips only pairs that cannot reach the threshold.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from luthier.data._sketch import Counts, Hashes, Shingles, batched, shingles_of

Weights = npt.NDArray[np.float64]

SHINGLE_WORDS = 2
MOST_SLOTS = 2**26
"""Slots in which shingles are counted, 4 bytes each; two shingles in one slot count together."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows' shingles, one row after the other, with their weights."""

    shingles: Shingles
    weights: Weights
    counts: Counts
    totals: Weights
    first: int

    @property
    def starts(self) -> Counts:
        return np.asarray(np.cumsum(self.counts) - self.counts)


def near_pairs(
    train: Iterable[str], test: Iterable[str], least: float
) -> Iterator[tuple[int, int, float]]:
    """All pairs of a test text and a training text that are similar enough.

    Texts are sets of word pairs (of their word, if they have one; without any they are like
    nothing). A pair of words weighs ln(1 + texts / texts that have it), over both sides.

    Args:
        train: Training texts, read once as a stream.
        test: Test texts, read once as a stream; their shingles are held in memory.
        least: Similarity from which a pair counts, above 0 to 1.

    Yields:
        The test text's index, the training text's index, and the similarity.
    """
    with tempfile.TemporaryFile(prefix="luthier-shingles-") as file:
        ours, others = _store(test, file), _store(train, file)
        texts = sum(map(len, (*ours, *others)))
        file.seek(0)
        held, table = _count(file, [*ours, *others])
        if not held:
            return
        file.seek(0)
        tested = list(_read(file, ours, table, texts))
        if tested:
            items = _joined(tested)
            index = _index(items, least)
            for rows in _read(file, others, table, texts):
                yield from _matches(rows, items, index, least)


def _store(texts: Iterable[str], file: IO[bytes]) -> list[Counts]:
    found = []
    for batch in batched(texts):
        shingles, counts = shingles_of(batch, SHINGLE_WORDS, 1)
        file.write(shingles.tobytes())
        found.append(counts)
    return found


def _count(file: IO[bytes], batches: list[Counts]) -> tuple[int, npt.NDArray[np.uint32]]:
    """How many shingles there are, and how many texts share each slot."""
    held = int(sum(counts.sum() for counts in batches))
    slots = min(MOST_SLOTS, 1 << max(10, (64 * held).bit_length()))
    table = np.zeros(slots, dtype=np.uint32)
    for counts in batches:
        shingles = np.frombuffer(file.read(4 * int(counts.sum())), dtype=np.uint32)
        slot, times = np.unique(shingles & np.uint32(slots - 1), return_counts=True)
        table[slot] += times.astype(np.uint32)
    return held, table


def _read(
    file: IO[bytes], batches: list[Counts], table: npt.NDArray[np.uint32], texts: int
) -> Iterator[_Rows]:
    first = 0
    for counts in batches:
        shingles = np.frombuffer(file.read(4 * int(counts.sum())), dtype=np.uint32)
        weights = np.log1p(texts / table[shingles & np.uint32(len(table) - 1)])
        yield _Rows(shingles, weights, counts, _sums(weights, counts), first)
        first += len(counts)


def _sums(weights: Weights, counts: Counts) -> Weights:
    found = np.zeros(len(counts))
    filled = counts > 0
    if filled.any():
        found[filled] = np.add.reduceat(weights, (np.cumsum(counts) - counts)[filled])
    return found


def _joined(parts: list[_Rows]) -> _Rows:
    return _Rows(
        np.concatenate([p.shingles for p in parts]),
        np.concatenate([p.weights for p in parts]),
        np.concatenate([p.counts for p in parts]),
        np.concatenate([p.totals for p in parts]),
        0,
    )


def _prefixes(rows: _Rows, least: float) -> tuple[Counts, Shingles]:
    """The heaviest shingles of each row, of which two similar rows must share at least one.

    With similarity of at least t, the shared weight is at least t times the weight of either
    row. So it cannot all lie in a row's lightest shingles that together weigh less than that.
    """
    row = np.repeat(np.arange(len(rows.counts)), rows.counts)
    order = np.lexsort((rows.shingles, -rows.weights, row))
    weights = rows.weights[order]
    before = np.cumsum(weights) - weights
    filled = rows.counts > 0
    opening = np.zeros(len(rows.counts))
    opening[filled] = before[rows.starts[filled]]
    rest = rows.totals[row] - (before - opening[row])
    kept = rest >= least * rows.totals[row] - 1e-6
    return row[kept], rows.shingles[order][kept]


def _index(items: _Rows, least: float) -> tuple[Shingles, Counts]:
    """The prefixes of the test rows by shingle: the shingles in order, and whose each is."""
    row, shingles = _prefixes(items, least)
    order = np.argsort(shingles, kind="stable")
    return shingles[order], row[order]


def _matches(
    rows: _Rows, items: _Rows, index: tuple[Shingles, Counts], least: float
) -> Iterator[tuple[int, int, float]]:
    """The similar pairs of a batch of training rows."""
    row, shingles = _prefixes(rows, least)
    left = np.searchsorted(index[0], shingles, "left")
    many = np.searchsorted(index[0], shingles, "right") - left
    hits = np.flatnonzero(many)
    if not len(hits):
        return
    spread = np.repeat(hits, many[hits])
    within = np.arange(len(spread)) - np.repeat(np.cumsum(many[hits]) - many[hits], many[hits])
    pairs = np.unique(_packed(row[spread], index[1][left[spread] + within]))
    mine, other = (pairs >> np.uint64(32)).astype(np.int64), pairs & np.uint64(2**32 - 1)
    other = other.astype(np.int64)
    lighter = np.minimum(rows.totals[mine], items.totals[other])
    likely = lighter >= least * np.maximum(rows.totals[mine], items.totals[other]) - 1e-6
    starts, item_starts = rows.starts, items.starts
    for one, item in zip(mine[likely].tolist(), other[likely].tolist(), strict=True):
        here = slice(starts[one], starts[one] + rows.counts[one])
        there = slice(item_starts[item], item_starts[item] + items.counts[item])
        shared = np.isin(rows.shingles[here], items.shingles[there], assume_unique=True)
        weight = float(rows.weights[here][shared].sum())
        similarity = weight / (rows.totals[one] + items.totals[item] - weight)
        if similarity >= least:
            yield item, rows.first + one, min(1.0, float(similarity))


def _packed(rows: Counts, items: Counts) -> Hashes:
    return (rows.astype(np.uint64) << np.uint64(32)) | items.astype(np.uint64)
