"""Search a version of a store in the store itself, for a corpus that memory does not hold.

It answers what `luthier.rag.legs.Legs` answers, with ids in the place of rows. The store filters by
the slice before it ranks; each passage is held against the slice once more when it is looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from luthier.core.columns import to_records
from luthier.core.errors import ConfigError, StoreError
from luthier.core.records import Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.legs import Hits, Legs, Query
from luthier.rag.search.dense import unit
from luthier.rag.search.lexical import LegsSpec, Weighting
from luthier.rag.search.terms import Terms, read_terms
from luthier.rag.search.words import stem, words
from luthier.rag.stores._check import vectors_of
from luthier.rag.stores.store import VECTOR, PassageStore

_FACTOR = 2.2
"""k1 + 1: all stores rank by BM25 with k1 1.2, and multiply by it what `Legs` does not."""
_PASSAGE = [name for name in Passage.__slots__ if name != "score"]


class StoreLegs:
    """A version of a store, searched where it is.

    Args:
        store: The store.
        version: Which version. Where an erasure has taken it away, the newest answers.
        terms: The words of that version.
        spec: ``stemmer`` as the words were made; ``k1`` and ``b`` are the store's own.

    Attributes:
        count: Passages in it.
        spec: See above.

    Raises:
        ConfigError: The settings ask for what a store cannot do.
    """

    def __init__(self, store: PassageStore, version: int, terms: Terms, spec: LegsSpec) -> None:
        if spec.weighting != "bm25":
            raise ConfigError(
                "an index that is searched in its store ranks words by BM25",
                where="rag.words.weighting",
                mend="Set it to bm25, or `rag.store.search` to memory.",
            )
        self.spec, self.count = spec, terms.rows
        self._store, self._version, self._terms = store, version, terms
        self._dimension = store.dimension() or 0

    @property
    def dimension(self) -> int:
        """Numbers of a vector; 0 without vectors."""
        return self._dimension

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

        Scores are BM25's without the factor k1 + 1, as those of `Legs`. Weights of words count for
        nothing here; ``weighting``, ``k1`` and ``b`` are the store's, whatever is asked for.
        """
        del weighting, k1, b
        found = self._store.match(" ".join(_words(query)), depth, part, self._at())
        return _hits({one: score / _FACTOR for one, score in found.items()})

    def dense(self, vector: Vectors, depth: int, part: Slice) -> Hits:
        """The ``depth`` passages of a slice nearest to a vector, with their cosines.

        Raises:
            StoreError: The passages have no vectors, or of another dimension.
        """
        asked = unit(vector)
        if depth < 1 or not self.count or not np.isfinite(asked).all():
            return _hits({})
        return _hits(self._store.nearest(asked[None], depth, part, self._at())[0])

    def terms(self, query: Query) -> dict[bytes, tuple[float, int]]:
        """The stems of a query: how often each stands in it, and how many passages have it."""
        asked: dict[bytes, float] = {}
        for word, weight in _words(query).items():
            one = stem(word, self.spec.stemmer)
            asked[one] = asked.get(one, 0.0) + weight
        counts = self._terms.found_in(list(asked))
        return dict(zip(asked, zip(asked.values(), counts, strict=True), strict=True))

    def size(self, part: Slice) -> int:
        """How many passages a slice holds; other slices than everyone's are read passage by one."""
        if part.key == Slice().key:
            return self._terms.open_rows
        batches = self._store.rows(self._at(), _PASSAGE)
        return sum(part.holds(p) for batch in batches for p in to_records(batch, Passage))

    def passages(self, keys: Sequence[str], part: Slice) -> list[Passage]:
        """Passages by id, in the order asked for; those outside the slice are left out."""
        held = self._store.take([str(key) for key in keys], part, self._at())
        found = (held.get(str(key)) for key in keys)
        return [one for one in found if one is not None and part.holds(one)]

    def ids(self, keys: Sequence[str] | npt.NDArray[Any]) -> list[str]:
        """Ids of passages by key, which is the id."""
        return [str(key) for key in keys]

    def vectors(self, keys: Sequence[str], part: Slice) -> Vectors:
        """Vectors of passages of a slice by id, shape (ids, dimension); 0 for those outside."""
        wanted = {str(key): place for place, key in enumerate(keys)}
        made = np.zeros((len(keys), self.dimension), np.float32)
        documents = {p.document_id for p in self.passages(list(wanted), part)}
        columns = ["id", VECTOR]
        for batch in self._store.rows(self._at(), columns, sorted(documents)):
            ids, vectors = batch.column(0).to_pylist(), vectors_of(batch)
            for row, one in enumerate(ids):
                if (place := wanted.get(one)) is not None:
                    made[place] = vectors[row]
        return made

    def tables(self) -> Iterator[pa.Table]:
        """All rows, whoever may see them: to take stock of an index, never to answer from."""
        batches = self._store.rows(self._at(), _PASSAGE)
        return (pa.Table.from_batches([batch]) for batch in batches)

    def vocabulary(self, part: Slice | None = None) -> dict[str, int]:
        """Words as they are written, of what everyone may see.

        Of a narrower or wider slice it tells none: whoever needs a word of it searches for it.
        """
        whole = part is None or part.key == Slice().key
        return self._terms.open_words() if whole else {}

    def _at(self) -> int:
        """The version, or the newest where an erasure left no other."""
        known = [one.number for one in self._store.versions()]
        return self._version if self._version in known or not known else known[-1]


AnyLegs = Legs | StoreLegs
"""What is searched: in memory, or in the store."""


def vectors_found(legs: AnyLegs, keys: Any, part: Slice) -> Vectors:
    """Vectors of what a search of a slice found, shape (keys, dimension)."""
    return legs.vectors(keys) if isinstance(legs, Legs) else legs.vectors(keys, part)


def terms_file(folder: Path, version: int, spec: LegsSpec) -> Path:
    """The file with the words of a version."""
    return folder / f"terms-{version}-{spec.stemmer}.bin"


def open_stored(folder: Path, store: PassageStore, version: int, spec: LegsSpec) -> StoreLegs:
    """A version that is searched in its store.

    Args:
        folder: Of the words, which `publish` of `luthier.rag.live` has written.
        store: The store.
        version: Which.
        spec: See `StoreLegs`.

    Raises:
        StoreError: The words are missing or damaged.
        ConfigError: As for `StoreLegs`.
    """
    try:
        terms = read_terms(terms_file(folder, version, spec))
    except StoreError as error:
        raise StoreError(
            f"damaged index: {error.what}",
            where=str(folder),
            mend="Run `luthier rag index`: the words are counted anew.",
        ) from error
    return StoreLegs(store, version, terms, spec)


def _words(query: Query) -> dict[str, float]:
    """Words of a query with how often they stand in it, or their weights."""
    if isinstance(query, Mapping):
        pairs = [(word, weight) for text, weight in query.items() for word in words(text)]
    else:
        pairs = [(w, 1.0) for w in words(query if isinstance(query, str) else " ".join(query))]
    made: dict[str, float] = {}
    for word, weight in pairs:
        if weight > 0 and math.isfinite(weight):
            made[word] = made.get(word, 0.0) + weight
    return made


def _hits(found: Mapping[str, float]) -> Hits:
    """Hits by id, best first; equal scores in the order of their ids."""
    order = sorted(found, key=lambda one: (-found[one], one))
    keys: Any = np.array(order, np.str_) if order else np.empty(0, np.str_)
    return Hits(keys, np.array([found[one] for one in order], np.float32))
