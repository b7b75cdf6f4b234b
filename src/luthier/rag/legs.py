"""Search a version of a store in memory: by words, by meaning, and only where one may look.

`Legs.of` makes it from the rows of a store, `Legs.updated` makes the next version out of one and a
change, at the cost of what changed. What it answers is the same either way. Rows are numbers that
hold within one `Legs` only; `Legs.ids` and `Legs.places` turn them into ids and back.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.models.encode import Vectors
from luthier.rag.access import ANYONE, Slice
from luthier.rag.search import versions
from luthier.rag.search.dense import EXACT_ROWS, unit
from luthier.rag.search.grow import grown, tidied
from luthier.rag.search.lexical import LegsSpec as LegsSpec, Scores, Weighting, bm25_idf, cosine_idf
from luthier.rag.search.lists import Rows
from luthier.rag.search.living import Chosen, Living, Slices
from luthier.rag.search.words import Query as Query, weighed

_VOCABULARIES = 4  # kept at once


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Hits:
    """What was found, best first.

    Attributes:
        rows: int32.
        scores: float32, larger is better.
    """

    rows: Rows
    scores: Scores

    def __len__(self) -> int:
        return len(self.rows)


_NOTHING = Hits(np.empty(0, np.int32), np.empty(0, np.float32))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class _Asked:
    """The words of a query in a version: their weights, places in each segment, and passages."""

    weights: dict[bytes, float]
    places: list[Sequence[int]]
    df: list[int]


class Legs:
    """A version, searchable. Made by `of`, `updated` or `open`; it never changes.

    Args:
        living: Its segments.
        spec: See `LegsSpec`; ``stemmer`` decides what it holds, the rest how it is asked.

    Attributes:
        count: Passages in it.
        spec: See above.
    """

    def __init__(self, living: Sequence[Living], spec: LegsSpec) -> None:
        self.spec = spec
        self.count = sum(one.count for one in living)
        self._living = tuple(living)
        self._ends = list(itertools.accumulate(len(one.segment) for one in living))
        self._starts = [0, *self._ends[:-1]] if living else []
        self._slices = Slices(self._living)
        self._words: OrderedDict[tuple[object, ...], dict[str, int]] = OrderedDict()
        self._last: tuple[str, _Asked] | None = None  # a question is looked up more than once

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch | pa.Table], spec: LegsSpec | None = None) -> Legs:
        """A version from all its rows.

        Args:
            batches: As `PassageStore.rows` gives them.
            spec: See `LegsSpec`.

        Raises:
            StoreError: The rows are no passages, two have one id, or vectors differ in length.
            ResourceError: The stemmer is not installed.
        """
        spec = spec or LegsSpec()
        return cls(list(grown(batches, spec.stemmer)), spec)

    def updated(
        self,
        put: pa.Table | Iterable[pa.RecordBatch] | None = None,
        gone: Collection[str] = (),
    ) -> Legs:
        """The next version; this one stays as it is.

        Args:
            put: All passages of documents that are new or changed.
            gone: Ids of documents that are removed.

        Raises:
            StoreError: As for `of`.
        """
        batches = [] if put is None else [put] if isinstance(put, pa.Table) else list(put)
        width = None if not self._living else self.dimension
        new = list(grown(batches, self.spec.stemmer, width))
        changed = {d for batch in batches for d in batch["document_id"].unique().to_pylist()}
        documents = sorted(changed | set(gone))
        old = [one.without(documents) for one in self._living]
        return Legs(tidied([*old, *new], self.spec.stemmer), self.spec)

    def save(self, folder: Path, version: int) -> None:
        """Write this version into a folder; segments that are there are not written again.

        Raises:
            StoreError: It cannot be written.
        """
        versions.write_version(self._living, self.spec.stemmer, folder, version)

    @classmethod
    def open(cls, folder: Path, version: int, spec: LegsSpec | None = None) -> Legs:
        """A version that was saved. Its files are mapped, not read.

        Raises:
            StoreError: It is not there, is damaged, or was made with another stemmer.
        """
        living, stemmer = versions.read_version(folder, version)
        spec = spec or LegsSpec(stemmer=stemmer)
        if stemmer != spec.stemmer:
            raise StoreError(
                f"this search index was made with the stemmer '{stemmer}', not '{spec.stemmer}'",
                where=str(folder),
                mend=f"Set the stemmer to '{stemmer}', or build the index anew.",
            )
        return cls(living, spec)

    @property
    def dimension(self) -> int:
        """Numbers of a vector; 0 without vectors."""
        held = self._living[0].segment.vectors if self._living else None
        return held.width if held is not None else 0

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Rows and living rows of each segment."""
        return [(len(one.segment), one.count) for one in self._living]

    def lexical(
        self,
        query: Query,
        depth: int,
        part: Slice,
        *,
        weighting: Weighting | None = None,
        k1: float | None = None,
        b: float | None = None,
    ) -> Hits:
        """The best ``depth`` passages of a slice that share a word with a query.

        Args:
            query: See `Query`. A word that stands in it twice counts twice; those whose weight is
                not above 0 are left out.
            depth: How many at most.
            part: Where one may look.
            weighting: By default the settings'; so are ``k1`` and ``b``.
            k1: See `LegsSpec`.
            b: See `LegsSpec`.

        Returns:
            Hits; equal scores stand in the order of their ids.
        """
        asked = self._asked(query)
        if not asked.weights or depth < 1 or not self.count:
            return _NOTHING
        how = weighting or self.spec.weighting
        rare = bm25_idf if how == "bm25" else cosine_idf
        rarity = [rare(count, self.count) for count in asked.df]
        weights = [w * idf for w, idf in zip(asked.weights.values(), rarity, strict=True)]
        if how == "tfidf":
            length = math.sqrt(sum(weight * weight for weight in weights))
            weights = [w * idf / length for w, idf in zip(weights, rarity, strict=True)]
        norms = self._bm25_norms(k1, b) if how == "bm25" else self._cosine_norms
        hits = []
        for index, held in self._held(part):
            best, terms = self._living[index].segment.words.best, asked.places[index]
            hits.append((index, *best(terms, weights, norms[index], held.mask, depth)))
        return self._merged(hits, depth)

    def dense(self, vector: Vectors, depth: int, part: Slice) -> Hits:
        """The ``depth`` passages of a slice nearest to a vector, with their cosines.

        Args:
            vector: Of any length but 0, shape (dimension,).
            depth: How many at most.
            part: Where one may look.

        Raises:
            StoreError: The passages have no vectors, or of another dimension.
        """
        if depth < 1 or not self.count:
            return _NOTHING
        if vector.shape != (self.dimension,):
            raise StoreError(
                f"a question's vector has the shape {vector.shape}, those of the passages "
                f"({self.dimension},)",
                mend="Ask with the encoder that the index was made with.",
            )
        asked = unit(vector)
        if not np.isfinite(asked).all():
            return _NOTHING
        chosen = list(self._held(part))
        exact = sum(held.count for _, held in chosen) <= EXACT_ROWS
        found = []
        for index, held in chosen:
            coded = self._living[index].segment.vectors
            assert coded is not None  # as the dimension says
            few = held.mask is not None and held.count * 2 < len(held.mask)
            rows, mask = (held.rows, None) if few else (None, held.mask)
            found.append((index, *coded.nearest(asked, rows, mask, depth, exact=exact)))
        return self._merged(found, depth)

    def terms(self, query: Query) -> dict[bytes, tuple[float, int]]:
        """The stems of a query: how often each stands in it, and how many passages have it."""
        asked = self._asked(query)
        pairs = zip(asked.weights.values(), asked.df, strict=True)
        return dict(zip(asked.weights, pairs, strict=True))

    def size(self, part: Slice) -> int:
        """How many passages a slice holds."""
        return sum(held.count for held in self._slices.of(part))

    def passages(self, rows: Sequence[int] | Rows, part: Slice) -> list[Passage]:
        """Passages by row, in the order asked for.

        Those that the slice does not hold are left out: each is asked again, whatever found it.
        """
        return [one for one in self.look(rows, part) if one is not None]

    def look(self, rows: Sequence[int] | Rows, part: Slice) -> list[Passage | None]:
        """Passages by row; None for those that the slice does not hold."""
        made: list[Passage | None] = [None] * len(rows)
        for index, places, local in self._split(rows):
            one = self._living[index]
            alive = one.alive[local].tolist()
            found = one.segment.passages(local)
            for place, passage, lives in zip(places.tolist(), found, alive, strict=True):
                if lives and part.holds(passage):
                    made[place] = passage
        return made

    def ids(self, rows: Sequence[int] | Rows) -> list[str]:
        """Ids of passages by row."""
        return self._column("id", rows)

    def tables(self) -> Iterator[pa.Table]:
        """All rows, whoever may see them: to take stock of an index, never to answer from."""
        return (one.table() for one in self._living)

    def titles(self, rows: Sequence[int] | Rows) -> list[str]:
        """Titles of passages by row."""
        return self._column("title", rows)

    def vectors(self, rows: Sequence[int] | Rows) -> Vectors:
        """Vectors of passages by row, shape (rows, dimension)."""
        made = np.zeros((len(rows), self.dimension), np.float32)
        for index, places, local in self._split(rows):
            coded = self._living[index].segment.vectors
            if coded is not None:
                made[places] = coded.values[local]
        return made

    def places(self, ids: Sequence[str]) -> Rows:
        """Rows of passages by id, -1 for those that are not there."""
        made = np.full(len(ids), -1, np.int32)
        for index, one in enumerate(self._living):
            for place, id_ in enumerate(ids):
                row = one.segment.place_of(id_)
                if row >= 0 and one.alive[row]:
                    made[place] = self._starts[index] + row
        return made

    def vocabulary(self, part: Slice | None = None) -> dict[str, int]:
        """Words as they are written (in lower case), with the passages of a slice that have each.

        A word of passages that one may not see is not among them: a correction of spelling would
        tell it. It takes a second for some 200,000 passages; the last ones asked for are kept.

        Args:
            part: Whose words; by default what everyone may see.
        """
        part = part or Slice(ANYONE)
        key = part.key
        if key in self._words:
            return self._words[key]
        made: Counter[str] = Counter()
        for index, held in self._held(part):
            made.update(held.words_of(self._living[index].segment))
        self._words[key] = made
        if len(self._words) > _VOCABULARIES:
            self._words.popitem(last=False)
        return made

    def _asked(self, query: Query) -> _Asked:
        """The words of a query, looked up."""
        last = self._last
        if last is not None and isinstance(query, str) and last[0] == query:
            return last[1]
        weights = weighed(query, self.spec.stemmer)
        names = list(weights)
        found = [one.find(names) for one in self._living]
        counts = [counts for _, counts in found]
        df = list(map(sum, zip(*counts, strict=True))) if found else [0] * len(names)
        made = _Asked(weights, [places for places, _ in found], df)
        if isinstance(query, str):
            self._last = query, made
        return made

    def _held(self, part: Slice) -> Iterator[tuple[int, Chosen]]:
        """The segments of which a slice holds any, and what."""
        return ((i, held) for i, held in enumerate(self._slices.of(part)) if held.count)

    @functools.cached_property
    def _mean_words(self) -> float:
        return sum(one.words for one in self._living) / self.count

    def _bm25_norms(self, k1: float | None, b: float | None) -> list[tuple[float, float]]:
        k1, b = self.spec.k1 if k1 is None else k1, self.spec.b if b is None else b
        return [(k1 * (1.0 - b), k1 * b / max(self._mean_words, 1e-9))] * len(self._living)

    @functools.cached_property
    def _cosine_norms(self) -> list[Scores]:
        """Of each segment's rows, by the weights that terms have over all segments."""
        terms = pa.chunked_array([one.segment.words.terms.to_arrow() for one in self._living])
        coded = terms.combine_chunks().dictionary_encode()
        places = coded.indices.to_numpy()
        df = np.bincount(places, np.concatenate([one.df for one in self._living]))
        weights = (np.log((1.0 + self.count) / (1.0 + df)) + 1.0)[places].astype(np.float32)
        cuts = np.cumsum([len(one.df) for one in self._living])[:-1]
        split = np.split(weights, cuts)
        return [o.segment.words.norms(w) for o, w in zip(self._living, split, strict=True)]

    def _merged(self, found: list[tuple[int, Rows, Scores]], depth: int) -> Hits:
        """The best of what the segments found; equal scores in the order of their ids."""
        if not found:
            return _NOTHING
        if len(found) == 1:
            index, rows, scores = found[0]
            return Hits(rows + np.int32(self._starts[index]) if index else rows, scores)
        rows = np.concatenate([r + np.int32(self._starts[i]) for i, r, _ in found])
        scores = np.concatenate([s for _, _, s in found])
        order = np.lexsort((rows, -scores))
        if np.any(np.diff(scores[order]) == 0):
            ids = np.array(self.ids(rows), object)
            order = np.array(sorted(range(len(rows)), key=lambda i: (-scores[i], ids[i])))
        order = order[:depth]
        return Hits(rows[order], scores[order])

    def _split(
        self, rows: Sequence[int] | Rows
    ) -> Iterator[tuple[int, npt.NDArray[np.int64], Rows]]:
        """For each segment that has any of some rows: their places, and their numbers in it."""
        asked = np.asarray(rows, np.int64)
        if len(asked) and not (asked.min() >= 0 and asked.max() < (self._ends or [0])[-1]):
            raise IndexError("there is no such row in this version")
        if len(self._living) == 1 and len(asked):
            yield 0, np.arange(len(asked)), asked.astype(np.int32)
            return
        owner = np.searchsorted(self._ends, asked, side="right")
        for index in np.unique(owner).tolist():
            places = np.flatnonzero(owner == index)
            yield index, places, (asked[places] - self._starts[index]).astype(np.int32)

    def _column(self, name: str, rows: Sequence[int] | Rows) -> list[str]:
        made: list[Any] = [None] * len(rows)
        for index, places, local in self._split(rows):
            values = self._living[index].segment.read[name](local)
            for place, value in zip(places.tolist(), values, strict=True):
                made[place] = value
        return made


purge: Callable[[Path, Collection[str]], int] = versions.purge
prune: Callable[[Path, Collection[int]], int] = versions.prune
saved: Callable[[Path], list[int]] = versions.saved
