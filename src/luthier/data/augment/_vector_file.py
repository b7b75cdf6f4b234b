"""Word vectors in files: word2vec text, word2vec binary and GloVe text.

Files of millions of words are read in one pass; only the words asked for and the first ones of the
file, which are the most frequent, are kept in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from luthier.core.errors import DataError
from luthier.models.encode import Vectors

VectorFormat = Literal["auto", "word2vec", "word2vec-binary", "glove"]

_LONGEST_WORD = 1000  # bytes; longer means the file is something else


def read_vectors(
    path: Path, form: VectorFormat, wanted: Collection[str], first: int
) -> tuple[list[str], Vectors]:
    """Words and their vectors of length 1, in the file's order.

    Args:
        path: The file.
        form: Its format. ``auto`` takes ``.bin`` for binary, a first line of two numbers for
            word2vec's text, all else for GloVe.
        wanted: Words that are read wherever they stand, in lower case.
        first: How many words at the head of the file are read besides.

    Returns:
        Words in lower case without repeats, and a float32 array (words, dimension).

    Raises:
        DataError: The file is missing, or not what ``form`` says.
    """
    if not path.is_file():
        raise DataError("no such word-vector file", where=str(path), mend="Check `path`.")
    words: list[str] = []
    rows: list[Vectors] = []
    seen: set[str] = set()
    try:
        with path.open("rb") as file:
            for number, (word, read) in enumerate(_entries(file, path, form)):
                low = word.lower()
                if low not in seen and (number < first or low in wanted):
                    seen.add(low)
                    words.append(low)
                    rows.append(_numbers(read))
        vectors = np.array(rows, dtype=np.float32)
        if not rows or vectors.ndim != 2 or not vectors.shape[1]:
            raise ValueError("it holds no vectors")
        if not np.isfinite(vectors).all():
            raise ValueError("a vector is not finite")
    except (ValueError, EOFError) as error:
        raise DataError(
            f"these are not word vectors: {error}",
            where=str(path),
            mend="Set `format` to word2vec, word2vec-binary or glove.",
        ) from error
    return words, normalised(vectors)


def normalised(vectors: Vectors) -> Vectors:
    """Vectors of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def _entries(
    file: BinaryIO, path: Path, form: VectorFormat
) -> Iterator[tuple[str, bytes | Vectors]]:
    """Each word with its vector as it stands in the file."""
    header = file.readline(_LONGEST_WORD)
    told = header.split()
    sized = len(told) == 2 and all(t.isdigit() for t in told)
    if form == "auto":
        form = "word2vec-binary" if path.suffix == ".bin" else "word2vec" if sized else "glove"
    if form != "glove" and not sized:
        raise ValueError("the first line does not say how many there are and how long")
    if form == "word2vec-binary":
        count, dimension = map(int, told)
        for _ in range(count):
            word = _binary_word(file)
            row = file.read(4 * dimension)
            if len(row) < 4 * dimension:
                raise EOFError("the file ends within a vector")
            yield word, np.frombuffer(row, dtype="<f4")
        return
    if form == "glove":
        file.seek(0)
    for line in file:
        word_bytes, _, row = line.rstrip().partition(b" ")
        if row:
            yield word_bytes.decode("utf-8", "replace"), row


def _binary_word(file: BinaryIO) -> str:
    letters = bytearray()
    while (letter := file.read(1)) != b" ":
        if not letter or len(letters) > _LONGEST_WORD:
            raise EOFError("the file ends within a word, or is not binary")
        if letter != b"\n":  # word2vec's own tool ends each vector with one
            letters += letter
    return letters.decode("utf-8", "replace")


def _numbers(read: bytes | Vectors) -> Vectors:
    if isinstance(read, bytes):
        return np.array(read.split(), dtype=np.float32)
    return read.astype(np.float32)
