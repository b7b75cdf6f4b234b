"""The words of a version that a store searches: how many passages have each.

A store tells what it finds and not how rare a word is; ranking and spelling must know. This is far
smaller than the passages: each different word once. A sync takes the words of the passages that
went out and adds those that came.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from luthier.core.errors import StoreError
from luthier.core.records import EVERYONE
from luthier.rag.search.arrays import read_arrays, write_arrays
from luthier.rag.search.lexical import postings_of
from luthier.rag.search.lists import Names, names_of
from luthier.rag.search.words import Language

COLUMNS = ("title", "text", "access")
"""What is read of a passage."""
_AT_ONCE = 50_000  # passages whose words are counted together
Counts = npt.NDArray[np.int64]
_NO_NAMES = Names(np.empty(0, np.uint8), np.zeros(1, np.int64))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Terms:
    """The words of a version.

    Attributes:
        rows: Passages in it.
        open_rows: Those that everyone may see.
        stems: Stemmed words of all passages.
        stem_rows: How many passages have each.
        words: Words as they are written, in lower case, of what everyone may see.
        word_rows: How many of those passages have each.
    """

    rows: int = 0
    open_rows: int = 0
    stems: Names = _NO_NAMES
    stem_rows: Counts = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    words: Names = _NO_NAMES
    word_rows: Counts = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))

    def changed(
        self,
        language: Language,
        came: Iterable[pa.RecordBatch] = (),
        went: Iterable[pa.RecordBatch] = (),
    ) -> Terms:
        """The words of the next version.

        Args:
            language: Whose stemmer.
            came: Passages that it has and this one lacks, `COLUMNS` of them.
            went: Passages that it lacks.
        """
        made = self
        for sign, batches in ((1, came), (-1, went)):
            for rows in _pieces(batches):
                made = _joined(made, _counted(rows, language), sign)
        return made

    def found_in(self, stems: Sequence[bytes]) -> list[int]:
        """In how many passages each of some stems stands."""
        places = self.stems.find(stems).tolist() if len(stems) else []
        return [int(self.stem_rows[place]) if place >= 0 else 0 for place in places]

    def open_words(self) -> dict[str, int]:
        """Words of what everyone may see, with how many passages have each."""
        names = (name.decode() for name in self.words.to_arrow().to_pylist())
        return dict(zip(names, self.word_rows.tolist(), strict=True))

    def write(self, path: Path) -> None:
        """Write them to a file, whole or not at all.

        Raises:
            StoreError: It cannot be written.
        """
        draft = path.with_name(f".{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(
                draft,
                {
                    "rows": np.array([self.rows, self.open_rows], np.int64),
                    "stems": self.stems.data,
                    "stem_ends": self.stems.starts,
                    "stem_rows": self.stem_rows,
                    "words": self.words.data,
                    "word_ends": self.words.starts,
                    "word_rows": self.word_rows,
                },
            )
            draft.replace(path)
        except OSError as error:
            raise StoreError(
                f"the words of the index cannot be written: {error}",
                where=str(path),
                mend="Check disk space and permissions, and run again.",
            ) from error


def read_terms(path: Path) -> Terms:
    """Words as they were written; the file is mapped.

    Raises:
        StoreError: It is missing or damaged.
    """
    held = read_arrays(path)
    try:
        stems, words = (Names(held[f"{one}s"], held[f"{one}_ends"]) for one in ("stem", "word"))
        whole = all(
            len(names) == len(counts) and names.starts[0] == 0 and np.all(np.diff(names.starts) > 0)
            and names.starts[-1] == len(names.data)
            for names, counts in ((stems, held["stem_rows"]), (words, held["word_rows"]))
        )  # fmt: skip
        if not whole:
            raise ValueError("its numbers do not fit together")
        rows, open_rows = held["rows"].tolist()
    except (KeyError, ValueError, IndexError) as error:
        raise StoreError(
            f"damaged index: its words cannot be read ({error})",
            where=str(path),
            mend="Run `luthier rag index --anew`.",
        ) from error
    return Terms(rows, open_rows, stems, held["stem_rows"], words, held["word_rows"])


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= _AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _counted(rows: pa.Table, language: Language) -> Terms:
    """The words of some passages."""
    rows = rows.combine_chunks()
    if not rows.num_rows:
        return Terms()
    access = rows["access"].combine_chunks()
    parents = pc.list_parent_indices(access).filter(pc.equal(access.flatten(), EVERYONE))
    seen = rows.take(pc.unique(parents)).combine_chunks()
    stems = postings_of(_bodies(rows), language)
    words = postings_of(_bodies(seen), "none")
    return Terms(
        rows.num_rows,
        seen.num_rows,
        stems.terms,
        stems.df.astype(np.int64),
        words.terms,
        words.df.astype(np.int64),
    )


def _bodies(rows: pa.Table) -> list[tuple[pa.Array, pa.Array]]:
    return [(b.column("title"), b.column("text")) for b in rows.to_batches() if b.num_rows]


def _joined(one: Terms, other: Terms, sign: int) -> Terms:
    stems, stem_rows = _summed(one.stems, one.stem_rows, other.stems, sign * other.stem_rows)
    words, word_rows = _summed(one.words, one.word_rows, other.words, sign * other.word_rows)
    rows, open_rows = one.rows + sign * other.rows, one.open_rows + sign * other.open_rows
    return Terms(rows, open_rows, stems, stem_rows, words, word_rows)


def _summed(one: Names, counts: Counts, other: Names, more: Counts) -> tuple[Names, Counts]:
    """Names of both, with the sums of what they count; those that come to nothing are left out."""
    both = pa.chunked_array([one.to_arrow(), other.to_arrow()], pa.large_binary())
    names, places = names_of(both.combine_chunks())
    sums = np.zeros(len(names), np.int64)
    np.add.at(sums, places, np.concatenate([counts, more]))
    kept = sums > 0
    if kept.all():
        return names, sums
    return names_of(names.to_arrow().filter(pa.array(kept)))[0], sums[kept]
