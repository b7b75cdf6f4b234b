"""Words of texts, as the search index counts them.

A word is a run of letters, digits and the marks on them, in lower case; ``don't`` is two. Nothing
is left out for being short or frequent: `all` and `is` are names in many a corpus, and BM25 weighs
frequent words down by itself. A stemmer (Snowball's, of PyStemmer) then brings the forms of a word
together.
"""

from __future__ import annotations

import ctypes
import functools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from luthier.core.errors import ResourceError
from luthier.rag.search.native import library, pointer

Language = Literal[
    "none", "arabic", "danish", "dutch", "english", "finnish", "french", "german", "hungarian",
    "italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "turkish",
]  # fmt: skip

Query = str | Sequence[str] | Mapping[str, float]
"""A question; or its words; or its words with their weights."""
LONGEST_STEMMED = 64
"""Bytes; a longer word is no word of a language and stays as it is."""
_KNOWN = 0x32000  # code points above are no letters


def folded(code: int) -> int:
    """What stands for a character in words: its lower case, or 0 where it ends a word."""
    one = chr(code)
    if not (one.isalnum() or unicodedata.category(one) in ("Mn", "Mc")):
        return 0
    return ord(one.lower()[0])


class _Folds(dict[int, int]):
    """What `str.translate` asks; a space ends a word."""

    def __missing__(self, code: int) -> int:
        self[code] = made = (folded(code) if code < _KNOWN else 0) or 32
        return made


_folds = _Folds()


@functools.cache
def _table() -> npt.NDArray[np.uint32]:
    """`folded` of all code points; surrogates are none of UTF-8."""
    return np.fromiter(map(folded, range(_KNOWN)), np.uint32, _KNOWN)


def words(text: str) -> list[str]:
    """The words of a text, in their order."""
    return text.translate(_folds).split()


@functools.cache
def _stemmer(language: str) -> Any:
    try:
        import Stemmer
    except ImportError as error:
        raise ResourceError(
            "PyStemmer is not installed; it brings the forms of a word together",
            where="rag.stemmer",
            mend="pip install PyStemmer, or set the stemmer to 'none'.",
        ) from error
    return Stemmer.Stemmer(language, 0)  # its own memory of words costs more than it saves


@functools.lru_cache(1 << 16)
def stem(word: str, language: Language) -> bytes:
    """What stands for a word in the index.

    Raises:
        ResourceError: PyStemmer is not installed.
    """
    return word.encode() if language == "none" else _stems([word.encode()], language)[0]


def weighed(query: Query, language: Language) -> dict[bytes, float]:
    """The terms of a query with their weights; a word that stands in it twice counts twice.

    Raises:
        ResourceError: PyStemmer is not installed.
    """
    made: dict[bytes, float] = {}
    if isinstance(query, Mapping):
        pairs = [(word, own) for text, own in query.items() if own > 0 for word in words(text)]
    else:
        pairs = [(w, 1.0) for w in words(query if isinstance(query, str) else " ".join(query))]
    for word, own in pairs:
        term = stem(word, language)
        made[term] = made.get(term, 0.0) + own
    return made


def stemmed(column: pa.Array, language: Language) -> pa.Array:
    """`stem` of a column of words as bytes."""
    if language == "none":
        return column
    return pa.array(_stems(column.to_pylist(), language), pa.large_binary())


def _stems(found: list[bytes], language: Language) -> list[bytes]:
    if max(map(len, found), default=0) <= LONGEST_STEMMED:
        made: list[bytes] = _stemmer(language).stemWords(found)
        return made
    short = [word if len(word) <= LONGEST_STEMMED else b"" for word in found]
    made = _stemmer(language).stemWords(short)
    return [stem or word for stem, word in zip(made, found, strict=True)]


class WordReader:
    """Reads texts piece by piece and numbers their words.

    Attributes:
        lengths: Words of each row, one array for each piece.
    """

    def __init__(self) -> None:
        self.lengths: list[npt.NDArray[np.int32]] = []
        self._library = library()[0]
        self._numbers: dict[str, int] = {}
        self._tokens: list[int] = []
        self._handle = self._library.words_new() if self._library is not None else None

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.words_free(self._handle)

    def add(self, titles: pa.Array, texts: pa.Array) -> None:
        """Read the next rows: each one's title and text, together its body."""
        lengths = np.zeros(len(texts), np.int32)
        self.lengths.append(lengths)
        if not self._handle:
            pairs = zip(titles.to_pylist(), texts.to_pylist(), strict=True)
            for row, (title, text) in enumerate(pairs):
                found = [*words(title), *words(text)]
                lengths[row] = len(found)
                number = self._numbers
                self._tokens += [number.setdefault(word, len(number)) for word in found]
            return
        first, at = _strings(titles)
        second, behind = _strings(texts)
        folds = _table()
        done = self._library.words_read(
            self._handle, first, pointer(at), second, pointer(behind), len(texts),
            pointer(folds), len(folds), pointer(lengths),
        )  # fmt: skip
        if done < 0:
            raise MemoryError("no memory for the words of an index")

    def names(self) -> pa.Array:
        """All words met, as bytes, in the order of their numbers."""
        if not self._handle:
            return pa.array([word.encode() for word in self._numbers], pa.large_binary())
        count = self._library.words_count(self._handle)
        starts = _copied(self._library.words_starts(self._handle), count + 1, np.int64)
        data = _copied(self._library.words_bytes(self._handle), int(starts[-1]), np.uint8)
        buffers = [None, pa.py_buffer(starts), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.large_binary(), count, buffers)

    def tokens(self) -> npt.NDArray[np.int32]:
        """The number of each word of all rows."""
        if not self._handle:
            return np.array(self._tokens, np.int32)
        count = sum(int(lengths.sum()) for lengths in self.lengths)
        return _copied(self._library.words_tokens(self._handle), count, np.int32)


def _strings(column: pa.Array) -> tuple[int, npt.NDArray[np.int32]]:
    """Where the characters of a column are, and where each value begins in them."""
    starts = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
    data = column.buffers()[2]
    return (data.address if data is not None else 0), starts


def _copied(address: int | None, count: int, kind: Any) -> npt.NDArray[Any]:
    made = np.empty(count, kind)
    if count and address:
        ctypes.memmove(made.__array_interface__["data"][0], address, made.nbytes)
    return made
