"""Pairs of texts, one of each side, whose weighted Jaccard similarity reaches a threshold.

The search is exact: a prefix filter (S. Chaudhuri, V. Ganti, R. Kaushik, *A primitive operator
for similarity joins in data cleaning*, 2006; R. Bayardo, Y. Ma, R. Srikant, *Scaling up all pairs
similarity search*, 2007) skips only pairs that cannot reach the threshold.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from luthier.data._sketch import BATCH_CHARACTERS, Counts, Hashes, Shingles, shingles_of

Weights = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Pair = tuple[int, int, float]

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


@dataclasses.dataclass(frozen=True, slots=True)
class _Census:
    """How many texts there are, and how many share each slot of shingles."""

    texts: int
    slots: npt.NDArray[np.uint32]

    def holders(self, shingles: Shingles) -> npt.NDArray[np.uint32]:
        held: npt.NDArray[np.uint32] = self.slots[shingles & np.uint32(len(self.slots) - 1)]
        return held

    def weights(self, shingles: Shingles) -> Weights:
        weights: Weights = np.log1p(self.texts / self.holders(shingles))
        return weights


class Likeness:
    """Texts that are added one by one, and the pairs among them that are alike.

    Texts are sets of word pairs (of their word, if they have one; without any they are like
    nothing). Their shingles wait in a temporary file. Use it as a context manager.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="luthier-shingles-")  # noqa: SIM115
        self._batches: list[Counts] = []
        self._waiting: list[str] = []
        self._characters = 0

    def add(self, text: str) -> None:
        """Add one text."""
        self._waiting.append(text)
        self._characters += len(text) + 16
        if self._characters >= BATCH_CHARACTERS:
            self._flush()

    def pairs(self, is_test: Flags, dropped: Flags, least: float) -> Iterator[Pair]:
        """All pairs of a test text and a training text that are similar enough.

        A pair of words weighs ln(1 + texts / texts that have it), over all that are not dropped.

        Args:
            is_test: For each text whether it is a test text; their shingles are held in memory.
            dropped: For each text whether it is left out.
            least: Similarity from which a pair counts, above 0 to 1.

        Yields:
            The test text's place, the training text's place, and the similarity.
        """
        self._flush()
        census = self._count(dropped)
        tested = list(self._read(census, is_test & ~dropped))
        if not tested:
            return
        index = _joined_prefixes([_prefixes(rows, census, least) for rows in tested])
        items = _joined(tested)
        for rows in self._read(census, ~(is_test | dropped)):
            yield from _matches(rows, _prefixes(rows, census, least), items, index, census, least)

    def __enter__(self) -> Likeness:
        """The texts themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the temporary file."""
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            shingles, counts = shingles_of(self._waiting, SHINGLE_WORDS, 1)
            self._file.seek(0, os.SEEK_END)
            self._file.write(shingles.tobytes())
            self._batches.append(counts)
            self._waiting, self._characters = [], 0

    def _stored(self, wanted: Flags) -> Iterator[tuple[int, Counts, Shingles]]:
        """Batch by batch the place of its first row, and the counts and shingles of those wanted.

        The others have none.
        """
        self._file.seek(0)
        first = 0
        for counts in self._batches:
            shingles = np.frombuffer(self._file.read(4 * int(counts.sum())), dtype=np.uint32)
            here = wanted[first : first + len(counts)]
            if not here.all():
                shingles = shingles[np.repeat(here, counts)]
            yield first, np.where(here, counts, 0), shingles
            first += len(counts)

    def _count(self, dropped: Flags) -> _Census:
        held = int(sum(counts.sum() for counts in self._batches))
        slots = np.zeros(min(MOST_SLOTS, 1 << max(10, (64 * held).bit_length())), dtype=np.uint32)
        for _, _, shingles in self._stored(~dropped):
            slot, times = np.unique(shingles & np.uint32(len(slots) - 1), return_counts=True)
            slots[slot] += times.astype(np.uint32)
        return _Census(int(np.count_nonzero(~dropped)), slots)

    def _read(self, census: _Census, wanted: Flags) -> Iterator[_Rows]:
        for first, counts, shingles in self._stored(wanted):
            if len(shingles):
                weights = census.weights(shingles)
                yield _Rows(shingles, weights, counts, _sums(weights, counts), first)


def near_pairs(train: Iterable[str], test: Iterable[str], least: float) -> Iterator[Pair]:
    """All pairs of a test text and a training text that are similar enough.

    Args:
        train: Training texts, read once as a stream.
        test: Test texts, read once as a stream.
        least: Similarity from which a pair counts, above 0 to 1.

    Yields:
        The test text's index, the training text's index, and the similarity; see ``Likeness``.
    """
    with Likeness() as likeness:
        sides = []
        for is_test, texts in ((True, test), (False, train)):
            for text in texts:
                likeness.add(text)
                sides.append(is_test)
        flags = np.asarray(sides, dtype=np.bool_)
        tested = int(np.count_nonzero(flags))
        for item, row, similarity in likeness.pairs(flags, np.zeros_like(flags), least):
            yield item, row - tested, similarity


def _sums(weights: Weights, counts: Counts) -> Weights:
    found = np.zeros(len(counts))
    filled = counts > 0
    if filled.any():
        found[filled] = np.add.reduceat(weights, (np.cumsum(counts) - counts)[filled])
    return found


def _joined(parts: list[_Rows]) -> _Rows:
    """The rows of all batches in one, at their places; those between have no shingle."""
    last = parts[-1].first + len(parts[-1].counts)
    counts, totals = np.zeros(last, dtype=np.int64), np.zeros(last)
    for part in parts:
        here = slice(part.first, part.first + len(part.counts))
        counts[here], totals[here] = part.counts, part.totals
    shingles = np.concatenate([p.shingles for p in parts])
    return _Rows(shingles, np.concatenate([p.weights for p in parts]), counts, totals, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class _Prefixes:
    """The rarest shingles of some rows, of which two similar rows must share at least one.

    Attributes:
        shingles: The shingles.
        holders: The place of the row that each is of.
        weights: Their weights.
        rest: What all rarer ones leave of the row's weight, without this one.
    """

    shingles: Shingles
    holders: Counts
    weights: Weights
    rest: Weights


def _prefixes(rows: _Rows, census: _Census, least: float) -> _Prefixes:
    """The prefixes of a batch.

    With similarity of at least t, the shared weight is at least t times the weight of either
    row. So it cannot all lie in a row's last shingles that together weigh less than that,
    provided that both rows have them in the same order.
    """
    place = np.repeat(np.arange(len(rows.counts), dtype=np.uint64), rows.counts)
    rarity = np.minimum(census.holders(rows.shingles), 2**16 - 1).astype(np.uint64)
    keyed = (place << np.uint64(48)) | (rarity << np.uint64(32)) | rows.shingles  # a batch's
    keyed.sort()  # rows are fewer than 2^16: BATCH_CHARACTERS sees to that
    shingles, row = keyed.astype(np.uint32), (keyed >> np.uint64(48)).astype(np.int64)
    weights = census.weights(shingles)
    before = np.cumsum(weights) - weights
    filled = rows.counts > 0
    opening = np.zeros(len(rows.counts))
    opening[filled] = before[rows.starts[filled]]
    rest = rows.totals[row] - (before - opening[row])
    kept = rest >= least * rows.totals[row] - 1e-6
    weights = weights[kept]
    return _Prefixes(shingles[kept], rows.first + row[kept], weights, rest[kept] - weights)


def _joined_prefixes(parts: list[_Prefixes]) -> _Prefixes:
    """The prefixes of all batches, in the order of their shingles."""
    shingles = np.concatenate([p.shingles for p in parts])
    order = np.argsort(shingles, kind="stable")
    return _Prefixes(
        shingles[order],
        np.concatenate([p.holders for p in parts])[order],
        np.concatenate([p.weights for p in parts])[order],
        np.concatenate([p.rest for p in parts])[order],
    )


def _likely(rows: _Rows, mine: _Prefixes, items: _Rows, index: _Prefixes, least: float) -> Hashes:
    """The pairs of a row of a batch and an item that can be similar enough, packed and sorted.

    Up to the last shingle that two prefixes share, all that the rows share is known; from there on
    they share what is left of the lighter one at most (C. Xiao, W. Wang, X. Lin, J. Yu, *Efficient
    similarity joins for near duplicate detection*, 2008, positional filtering).
    """
    left = np.searchsorted(index.shingles, mine.shingles, "left")
    many = np.searchsorted(index.shingles, mine.shingles, "right") - left
    hits = np.flatnonzero(many)
    if not len(hits):
        return np.zeros(0, dtype=np.uint64)
    spread = np.repeat(hits, many[hits])
    within = np.arange(len(spread)) - np.repeat(np.cumsum(many[hits]) - many[hits], many[hits])
    there = left[spread] + within
    packed = _packed(mine.holders[spread] - rows.first, index.holders[there])
    order = np.argsort(packed, kind="stable")
    packed, there, here = packed[order], there[order], spread[order]
    starts = np.flatnonzero(np.append(True, packed[1:] != packed[:-1]))
    pairs = packed[starts]
    shared = np.add.reduceat(mine.weights[here], starts)
    rest = np.minimum.reduceat(np.minimum(mine.rest[here], index.rest[there]), starts)
    one, item = _unpacked(pairs)
    both = rows.totals[one] + items.totals[item]
    found: Hashes = pairs[shared + rest >= least / (1 + least) * both - 1e-6]
    return found


def _matches(
    rows: _Rows, mine: _Prefixes, items: _Rows, index: _Prefixes, census: _Census, least: float
) -> Iterator[Pair]:
    """The similar pairs of a batch of training rows; ``index`` has the test rows' prefixes."""
    ones, others = _unpacked(_likely(rows, mine, items, index, least))
    starts, item_starts = rows.starts, items.starts
    for one, item in zip(ones.tolist(), others.tolist(), strict=True):
        both = np.concatenate(
            (
                rows.shingles[starts[one] : starts[one] + rows.counts[one]],
                items.shingles[item_starts[item] : item_starts[item] + items.counts[item]],
            )
        )
        both.sort()
        weight = float(census.weights(both[1:][both[1:] == both[:-1]]).sum())
        similarity = weight / (rows.totals[one] + items.totals[item] - weight)
        if similarity >= least:
            yield item, rows.first + one, min(1.0, float(similarity))


def _packed(rows: Counts, items: Counts) -> Hashes:
    return (rows.astype(np.uint64) << np.uint64(32)) | items.astype(np.uint64)


def _unpacked(pairs: Hashes) -> tuple[Counts, Counts]:
    low = np.uint64(2**32 - 1)
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & low).astype(np.int64)
