"""The rows of a segment that live in one version, and those of them that a slice holds."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from luthier.rag.access import Slice
from luthier.rag.search.lexical import word_counts
from luthier.rag.search.lists import Rows, union
from luthier.rag.search.segment import Segment, meta_name
from luthier.rag.stores.store import VECTOR

Mask = npt.NDArray[np.uint8]


class Living:
    """A segment in one version.

    Args:
        segment: The segment.
        dead: Rows that the version does not have, growing.
    """

    def __init__(self, segment: Segment, dead: Rows) -> None:
        self.segment = segment
        self.dead = dead
        self.count = len(segment) - len(dead)

    def without(self, documents: Sequence[str]) -> Living:
        """The same without the passages of some documents."""
        found = self.segment.documents.of(documents)
        if not found:
            return self
        dead = np.union1d(self.dead, np.concatenate(found)).astype(np.int32)
        return self if len(dead) == len(self.dead) else Living(self.segment, dead)

    @functools.cached_property
    def alive(self) -> Mask:
        """1 for each row that lives, else 0."""
        marks = np.ones(len(self.segment), np.uint8)
        marks[self.dead] = 0
        return marks

    @functools.cached_property
    def df(self) -> npt.NDArray[np.int32]:
        """How many living rows have each term."""
        words = self.segment.words
        return words.alive_df(self.alive) if len(self.dead) else words.df

    def find(self, names: Sequence[bytes]) -> tuple[Sequence[int], Sequence[int]]:
        """The number of each of some terms, or -1, and how many living rows have it."""
        return self.segment.words.find(names, self.df if len(self.dead) else None)

    @functools.cached_property
    def words(self) -> int:
        """Words of all living rows."""
        lengths = self.segment.words.lengths
        return int(lengths.sum(dtype=np.int64) - lengths[self.dead].sum(dtype=np.int64))

    def table(self) -> pa.Table:
        """The living rows, with their vectors."""
        keep = self.alive.astype(np.bool_)
        rows = self.segment.rows.filter(pa.array(keep)) if len(self.dead) else self.segment.rows
        vectors = self.segment.vectors
        if vectors is None:
            return rows
        flat = pa.array((vectors.values[keep] if len(self.dead) else vectors.values).ravel())
        return rows.append_column(VECTOR, pa.FixedSizeListArray.from_arrays(flat, vectors.width))


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """The living rows of a segment that a slice holds.

    Attributes:
        mask: 1 for each of them, else 0; None if the slice holds all rows of the segment.
        count: How many.
    """

    mask: Mask | None
    count: int

    @functools.cached_property
    def rows(self) -> Rows:
        """Their numbers, growing."""
        assert self.mask is not None
        return np.flatnonzero(self.mask).astype(np.int32)

    def words_of(self, segment: Segment) -> dict[str, int]:
        """Their words as they are written, with how many of them have each."""
        rows = segment.rows.select(["title", "text"])
        if self.mask is not None:
            rows = rows.take(pa.array(self.rows)).combine_chunks()
        return word_counts(rows["title"].chunk(0), rows["text"].chunk(0))


def chosen(living: Living, part: Slice) -> Chosen:
    """The living rows of a segment that a slice holds; the same as `Slice.holds` says."""
    segment, size = living.segment, len(living.segment)
    marks = union(segment.access.of(part.who), size)
    if len(living.dead):
        marks &= living.alive
    for key, values in part.where.items():
        marks &= union(segment.meta.of(meta_name(key, value) for value in values), size)
    if part.kinds:
        marks &= union(segment.kinds.of(set(part.kinds)), size)
    if part.documents:
        marks &= union(segment.documents.of(set(part.documents)), size)
    marks &= (segment.modified_s >= part.since_s).view(np.uint8)
    count = int(np.count_nonzero(marks))
    return Chosen(None if count == size else marks, count)


class Slices:
    """What slices hold of one version, the ones asked for last.

    Args:
        living: The segments of the version.
        most: Slices that are kept.
    """

    def __init__(self, living: Sequence[Living], most: int = 64) -> None:
        self._living = living
        self._most = most
        self._held: OrderedDict[tuple[object, ...], tuple[Chosen, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, part: Slice) -> tuple[Chosen, ...]:
        """What a slice holds of each segment."""
        key = part.key
        with self._lock:
            if (held := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return held
        made = tuple(chosen(living, part) for living in self._living)
        with self._lock:
            self._held[key] = made
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made
