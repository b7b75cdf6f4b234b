"""word2vec vectors trained on the user's own texts, with gensim, the same in every run.

T. Mikolov, K. Chen, G. Corrado, J. Dean, *Efficient estimation of word representations in vector
space*, 2013: skip-grams with negative sampling.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from luthier.core.errors import DataError, ResourceError
from luthier.data.augment._pieces import pieces

FILE_NAME = "word2vec.txt"


def train_word2vec(
    texts: Iterable[str], path: Path, *, dimension: int, window: int, epochs: int, seed: int
) -> None:
    """Train vectors and write them in word2vec's text format.

    One thread and a hash that no process changes make the file follow from the texts and the seed.

    Args:
        texts: What is learned from.
        path: The file to write.
        dimension: Length of a vector.
        window: Words to either side that count as context.
        epochs: Passes over the texts.
        seed: Of the first vectors and of the sampling.

    Raises:
        ResourceError: gensim is not installed.
        DataError: There are too few words to learn from.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError as error:
        raise ResourceError(
            "word2vec is trained with gensim, which is not installed",
            where="augment.augmenters.vectors",
            mend="pip install gensim",
        ) from error
    said = [[p.text.lower() for p in pieces(text) if p.kind == "word"] for text in texts]
    said = [words for words in said if len(words) > 1]
    if len({word for words in said for word in words}) < 2:
        raise DataError(
            "there are too few words to train word2vec on",
            where="augment.augmenters.vectors",
            mend="Name more texts in `corpus`, or take vectors of kind encoder or file.",
        )
    model = Word2Vec(
        said,
        vector_size=dimension,
        window=window,
        epochs=epochs,
        min_count=1,
        sg=1,
        workers=1,
        seed=seed % 2**32,
        hashfxn=_stable_hash,
    )
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(model.wv.index_to_key)} {dimension}\n")
        for word in model.wv.index_to_key:
            numbers = " ".join(f"{x:.6g}" for x in np.asarray(model.wv[word]))
            file.write(f"{word} {numbers}\n")


def _stable_hash(word: object) -> int:
    return zlib.crc32(str(word).encode("utf-8", "surrogatepass"))
