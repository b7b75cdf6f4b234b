"""Words near other words: by the encoder's vectors, by a file of word vectors, or by word2vec."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, assert_never

import numpy as np
from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.spec import Spec
from luthier.data.augment._pieces import pieces
from luthier.data.augment._vector_file import VectorFormat, normalised, read_vectors
from luthier.data.augment._word2vec import FILE_NAME, train_word2vec
from luthier.data.augment._word_lists import STOP_WORDS
from luthier.models.encode import Vectors

Encode = Callable[[Sequence[str]], Vectors]
_ROWS_AT_ONCE = 256


class EncoderVectors(Spec):
    """The encoder's vectors of the words of the training rows."""

    kind: Literal["encoder"] = "encoder"
    words: int = Field(default=20_000, ge=2)
    """Only so many words are encoded, the most frequent first."""


class FileVectors(Spec):
    """A file of word vectors, such as GloVe's or word2vec's."""

    kind: Literal["file"] = "file"
    path: str
    """The file, relative to the project file."""
    format: VectorFormat = "auto"
    """``auto`` takes ``.bin`` for word2vec's binary format, a first line of two numbers for its
    text format, all else for GloVe's."""
    words: int = Field(default=50_000, ge=0)
    """How many words at the head of the file may replace others; those of the training rows may
    wherever they stand."""


class TrainedVectors(Spec):
    """word2vec trained on the training rows, and saved as ``word2vec.txt``."""

    kind: Literal["word2vec"] = "word2vec"
    corpus: tuple[str, ...] = ()
    """More text to learn from: UTF-8 files, one passage on each line, relative to the project."""
    dimension: int = Field(default=100, ge=2)
    """Length of a vector."""
    window: int = Field(default=5, ge=1)
    """Words to either side that count as context."""
    epochs: int = Field(default=10, ge=1)
    """Passes over the text."""


VectorsSpec = Annotated[EncoderVectors | FileVectors | TrainedVectors, Field(discriminator="kind")]


@dataclasses.dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest words of each word of a vocabulary.

    Attributes:
        near: For each word in lower case, other words with their cosine, nearest first.
    """

    near: dict[str, tuple[tuple[str, float], ...]]

    def of(self, word: str, number: int, least: float) -> list[str]:
        """Up to ``number`` neighbours whose cosine is at least ``least``; none of a stop word."""
        low = word.lower()
        if low in STOP_WORDS:
            return []
        return [near for near, cosine in self.near.get(low, ()) if cosine >= least][:number]


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word that may be altered stands in some texts, in lower case."""
    return Counter(p.text.lower() for text in texts for p in pieces(text) if p.kind == "word")


def find_neighbours(
    spec: EncoderVectors | FileVectors | TrainedVectors,
    texts: Sequence[str],
    answers: Sequence[str],
    *,
    base: Path,
    folder: Path,
    seed: int,
    encode: Encode,
    number: int,
) -> Neighbours:
    """The neighbours of every word of some texts.

    Args:
        spec: Which vectors.
        texts: Questions of the training rows, whose words get neighbours.
        answers: Their answers; word2vec learns from them too.
        base: Folder that relative paths start from.
        folder: Where trained vectors are saved.
        seed: Of the training.
        encode: The encoder.
        number: Neighbours of each word.

    Raises:
        DataError: A file is missing or not what it should be.
        ResourceError: gensim is needed and missing.
    """
    counts = count_words(texts)
    own = [w for w, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    match spec:
        case EncoderVectors():
            words = [w for w in own if w not in STOP_WORDS][: spec.words]
            vectors = normalised(encode(words)) if words else np.zeros((0, 1), np.float32)
        case FileVectors():
            words, vectors = read_vectors(base / spec.path, spec.format, counts, spec.words)
        case TrainedVectors():
            more = [line for name in spec.corpus for line in _lines(base / name)]
            train_word2vec(
                [*texts, *answers, *more],
                folder / FILE_NAME,
                dimension=spec.dimension,
                window=spec.window,
                epochs=spec.epochs,
                seed=seed,
            )
            words, vectors = read_vectors(folder / FILE_NAME, "word2vec", counts, 50_000)
        case _:
            assert_never(spec)
    return nearest(words, vectors, [w for w in own if w not in STOP_WORDS], number)


def nearest(
    words: Sequence[str], vectors: Vectors, wanted: Sequence[str], number: int
) -> Neighbours:
    """The nearest words of some words, by cosine.

    Args:
        words: All words, without repeats.
        vectors: Theirs, of length 1.
        wanted: Words that get neighbours, where they have a vector.
        number: Largest number of neighbours of a word.
    """
    place = {word: i for i, word in enumerate(words)}
    usable = np.array([w.isalpha() and w not in STOP_WORDS for w in words], dtype=bool)
    asked = [place[w] for w in wanted if w in place]
    found: dict[str, tuple[tuple[str, float], ...]] = {}
    kept = min(number, len(words) - 1)
    for first in range(0, len(asked) if kept > 0 else 0, _ROWS_AT_ONCE):
        block = asked[first : first + _ROWS_AT_ONCE]
        cosines = vectors[block] @ vectors.T
        cosines[:, ~usable] = -2.0
        cosines[np.arange(len(block)), block] = -2.0
        best = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
        for row, columns in enumerate(best):
            order = sorted((-float(cosines[row, c]), words[c]) for c in columns)
            found[words[block[row]]] = tuple((w, -c) for c, w in order if c < 2.0)
    return Neighbours(found)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read this text: {error}", where=str(path), mend="Check `corpus`."
        ) from error
