"""Find passages by the words they share with a question: BM25 and TF-IDF.

BM25 as Lucene and bm25s compute it: a word adds idf * tf / (tf + k1 * (1 - b + b * length / mean
length)) with idf = ln(1 + (N - df + 0.5) / (df + 0.5)) (Robertson and Zaragoza, "The Probabilistic
Relevance Framework", 2009). TF-IDF is the cosine of 1 + ln(tf) times ln((1 + N) / (1 + df)) + 1,
as scikit-learn weighs them with ``sublinear_tf`` (Manning, Raghavan and Schütze, "Introduction to
Information Retrieval", 2008, chapter 6). N, df and the mean length are of the rows that live, over
all segments, and k1 and b are chosen when it is asked.

A word that an eighth of the rows have is kept as one count for each row, which is read in one
sweep; all others as lists of rows. So a question's frequent words cost little.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from luthier.core.spec import Spec
from luthier.rag.search.lists import Names, Rows, names_of, starts_of
from luthier.rag.search.native import library, pointer, top
from luthier.rag.search.words import Language, WordReader, stemmed

Scores = npt.NDArray[np.float32]
Weighting = Literal["bm25", "tfidf"]
_FREQUENT = 8  # a word of one row in so many is frequent
_NUMBERS = ("df", "starts", "at", "counts", "places", "frequent", "lengths")
_MOST_COUNTED = 255  # a word counts so often in a row at most
_WORTH = np.concatenate([[0.0], 1.0 + np.log(np.arange(1, 256))]).astype(np.float32)


class LegsSpec(Spec):
    """How passages are found by their words."""

    stemmer: Language = "english"
    """Whose word endings are cut off, so that the forms of a word are one; 'none' leaves them."""
    weighting: Weighting = "bm25"
    """How shared words count: BM25, or the cosine of TF-IDF."""
    k1: float = Field(1.5, ge=0.0, le=10.0)
    """BM25: how much a word's repetitions count; with 0 they do not."""
    b: float = Field(0.75, ge=0.0, le=1.0)
    """BM25: how much the length of a passage counts against it."""


class _View(ctypes.Structure):
    """``Postings`` of ``postings.c``."""

    _fields_ = (
        ("rows", ctypes.c_long),
        ("terms", ctypes.c_long),
        *((name, ctypes.c_void_p) for name in (
            "starts", "at", "counts", "places", "frequent", "lengths", "names", "name_starts", "df",
        )),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Postings:
    """Which rows have which terms.

    Attributes:
        terms: All terms.
        df: int32, rows that have each term, dead ones too.
        starts: int64, where each term's rows begin in ``at``; frequent terms have none there.
        at: int32, rows, growing within a term.
        counts: uint8, how often, 255 for more.
        places: int32, of each term's line in ``frequent``, or -1.
        frequent: uint8, shape (frequent terms, rows).
        lengths: int32, words of each row.
    """

    terms: Names
    df: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    at: Rows
    counts: npt.NDArray[np.uint8]
    places: npt.NDArray[np.int32]
    frequent: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int32]
    _view: _View = dataclasses.field(init=False, repr=False)
    _here: int = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        arrays: tuple[Any, ...] = (
            self.starts, self.at, self.counts, self.places, self.frequent, self.lengths,
            self.terms.data, self.terms.starts, self.df,
        )  # fmt: skip
        view = _View(len(self.lengths), len(self.terms), *map(pointer, arrays))
        object.__setattr__(self, "_view", view)
        object.__setattr__(self, "_here", ctypes.addressof(view))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All its numbers, as `postings_from` takes them."""
        return {
            "data": self.terms.data,
            "ends": self.terms.starts,
            **{name: getattr(self, name) for name in _NUMBERS},
        }

    def rows_of(self, term: int) -> tuple[Rows, npt.NDArray[np.uint8]]:
        """The rows that have a term, and how often."""
        place = int(self.places[term])
        if place >= 0:
            rows = np.flatnonzero(self.frequent[place]).astype(np.int32)
            return rows, self.frequent[place][rows]
        found = slice(int(self.starts[term]), int(self.starts[term + 1]))
        return self.at[found], self.counts[found]

    def alive_df(self, alive: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        """How many of the rows that are marked 1 have each term."""
        kernels: Any = library()[0]
        found = np.zeros(len(self.terms), np.int32)
        if kernels is not None:
            kernels.count_alive(self._here, pointer(alive), pointer(found))
            return found
        sums = np.concatenate([[0], np.cumsum(alive[self.at], dtype=np.int64)])
        found[:] = sums[self.starts[1:]] - sums[self.starts[:-1]]
        often = np.flatnonzero(self.places >= 0)
        for term in often.tolist():
            found[term] = int(alive[self.frequent[self.places[term]] > 0].sum())
        return found

    def norms(self, weights: Scores) -> Scores:
        """The length of each row's vector: 1 + ln(count), times the weights of the terms."""
        kernels: Any = library()[0]
        if kernels is not None:
            norms = np.zeros(len(self.lengths), np.float32)
            kernels.row_norms(self._here, pointer(weights), pointer(_WORTH), pointer(norms))
            return norms
        squares = np.zeros(len(self.lengths), np.float64)
        for term in range(len(self.terms)):
            rows, counts = self.rows_of(term)
            squares[rows] += float(weights[term]) ** 2 * _WORTH[counts].astype(np.float64) ** 2
        return np.sqrt(squares).astype(np.float32)

    def find(
        self, names: Sequence[bytes], df: npt.NDArray[np.int32] | None = None
    ) -> tuple[Sequence[int], Sequence[int]]:
        """The number of each of some terms, or -1, and how many rows have it.

        Args:
            names: The terms.
            df: How many rows have each term of the postings; by default all that do.
        """
        kernels: Any = library()[0]
        if kernels is None:
            places = self.terms.find(names).tolist()
            counts = self.df if df is None else df
            return places, [int(counts[place]) if place >= 0 else 0 for place in places]
        count = len(names)
        starts = (ctypes.c_int64 * (count + 1))(0, *itertools.accumulate(map(len, names)))
        numbers: Any = (ctypes.c_int32 * count)()
        found: Any = (ctypes.c_int32 * count)()
        kernels.find_terms(self._here, pointer(df), b"".join(names), starts, count, numbers, found)
        return numbers, found

    def best(
        self,
        terms: Sequence[int],
        weights: Sequence[float],
        norm: tuple[float, float] | Scores,
        mask: npt.NDArray[np.uint8] | None,
        most: int,
    ) -> tuple[Rows, Scores]:
        """The best rows for some terms, best first.

        Args:
            terms: Their numbers; -1 counts for nothing.
            weights: Of each.
            norm: BM25's, as its constant part and its part for each word of a row; or each row's
                own, for the cosine.
            mask: 1 for the rows that count; None for all.
            most: How many at most.
        """
        flat, slope = norm if isinstance(norm, tuple) else (0.0, 0.0)
        own = None if isinstance(norm, tuple) else norm
        kernels: Any = library()[0]
        most, count = max(0, min(most, len(self.lengths))), len(terms)
        if kernels is None:
            return self._best(terms, weights, (flat, slope), own, mask, most)
        numbers = terms if isinstance(terms, ctypes.Array) else (ctypes.c_int32 * count)(*terms)
        scores: Any = (ctypes.c_float * most)()
        rows: Any = (ctypes.c_int32 * most)()
        found = kernels.best_rows(
            self._here, numbers, (ctypes.c_float * count)(*weights),
            count, flat, slope, pointer(own), pointer(_WORTH), pointer(mask), most, scores, rows,
        )  # fmt: skip
        if found < 0:
            raise MemoryError("no memory for a search")
        return np.frombuffer(rows, np.int32, found), np.frombuffer(scores, np.float32, found)

    def _best(
        self,
        terms: Sequence[int],
        weights: Sequence[float],
        norm: tuple[float, float],
        own: Scores | None,
        mask: npt.NDArray[np.uint8] | None,
        most: int,
    ) -> tuple[Rows, Scores]:
        sums: Scores = np.zeros(len(self.lengths), np.float32)
        flat, slope = np.float32(norm[0]), np.float32(norm[1])
        for term, weight in zip(terms, weights, strict=True):
            if term < 0:
                continue
            rows, counts = self.rows_of(term)
            share: Scores = counts.astype(np.float32) if own is None else _WORTH[counts]
            if own is None:
                length = self.lengths[rows].astype(np.float32)
                share = np.divide(share, share + (flat + slope * length), dtype=np.float32)
            sums[rows] += np.float32(weight) * share
        if own is not None:
            sums = np.divide(sums, own, out=np.zeros_like(sums), where=own > 0)
        hit = sums > 0 if mask is None else (sums > 0) & (mask > 0)
        rows = np.flatnonzero(hit).astype(np.int32)
        return top(sums[rows], rows, most)


def postings_from(arrays: dict[str, npt.NDArray[Any]]) -> Postings:
    """Postings from their numbers."""
    names = Names(arrays["data"], arrays["ends"])
    return Postings(names, *(arrays[name] for name in _NUMBERS))


def postings_of(bodies: Sequence[tuple[pa.Array, pa.Array]], language: Language) -> Postings:
    """Postings of rows.

    Args:
        bodies: Titles and texts, piece by piece.
        language: Whose stemmer.

    Raises:
        ResourceError: The stemmer is not installed.
    """
    reader = WordReader()
    for titles, texts in bodies:
        if len(texts):
            reader.add(titles, texts)
    terms, term_of = names_of(stemmed(reader.names(), language))
    lengths = np.concatenate([np.empty(0, np.int32), *reader.lengths])
    tokens = reader.tokens()
    if library()[0] is None:
        return _inverted(terms, term_of[tokens], lengths)
    return _inverted_fast(terms, np.ascontiguousarray(term_of, np.int32), tokens, lengths)


def _inverted(terms: Names, tokens: Rows, lengths: Rows) -> Postings:
    rows = len(lengths)
    row_of = np.repeat(np.arange(rows, dtype=np.int64), lengths)
    pairs, counts = np.unique(tokens.astype(np.int64) * max(1, rows) + row_of, return_counts=True)
    term, at = (part.astype(np.int32) for part in np.divmod(pairs, max(1, rows)))
    counts = np.minimum(counts, _MOST_COUNTED).astype(np.uint8)
    df = np.bincount(term, minlength=len(terms)).astype(np.int32)
    often, places = _placed(df, rows)
    frequent = np.zeros((len(often), rows), np.uint8)
    there = places[term] >= 0
    frequent[places[term[there]], at[there]] = counts[there]
    starts = starts_of(term[~there], len(terms))
    return Postings(terms, df, starts, at[~there], counts[~there], places, frequent, lengths)


def _inverted_fast(terms: Names, term_of: Rows, tokens: Rows, lengths: Rows) -> Postings:
    kernels: Any = library()[0]
    rows, count = len(lengths), len(terms)
    marks, df = np.empty(count, np.int64), np.empty(count, np.int32)
    ends, found = np.empty(rows, np.int64), np.empty(len(tokens), np.uint8)
    kernels.count_terms(
        pointer(tokens), pointer(lengths), rows, pointer(term_of), count, pointer(marks),
        pointer(df), pointer(ends), pointer(found),
    )  # fmt: skip
    often, places = _placed(df, rows)
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.where(places >= 0, 0, df), out=starts[1:])
    at, counts = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.uint8)
    frequent = np.zeros((len(often), rows), np.uint8)
    ahead = np.where(places >= 0, -1 - places, starts[:-1])
    kernels.fill_postings(
        pointer(tokens), pointer(found), pointer(ends), rows, pointer(ahead), pointer(at),
        pointer(counts), pointer(frequent),
    )  # fmt: skip
    return Postings(terms, df, starts, at, counts, places, frequent, lengths)


def _placed(df: Rows, rows: int) -> tuple[npt.NDArray[np.int64], Rows]:
    """Which terms are frequent, and the place of each term among them, or -1."""
    often = np.flatnonzero(df.astype(np.int64) * _FREQUENT > rows)
    places = np.full(len(df), -1, np.int32)
    places[often] = np.arange(len(often), dtype=np.int32)
    return often, places


def word_counts(titles: pa.Array, texts: pa.Array) -> dict[str, int]:
    """Words as they are written (in lower case), with the number of rows that have each."""
    plain = postings_of([(titles, texts)], "none")
    return dict(
        zip(
            (n.decode() for n in plain.terms.to_arrow().to_pylist()), plain.df.tolist(), strict=True
        )
    )


def bm25_idf(df: int, rows: int) -> float:
    """The weight of a term by the number of rows that have it."""
    return math.log1p((rows - df + 0.5) / (df + 0.5))


def cosine_idf(df: int, rows: int) -> float:
    """The weight of a term in TF-IDF, by the number of rows that have it."""
    return math.log((1.0 + rows) / (1.0 + df)) + 1.0
