"""Word replacement by embeddings: a word gives way to one of its nearest neighbours.

W. Wang and D. Yang, *That's so annoying!!!: a lexical and frame-semantic embedding based data
augmentation approach*, EMNLP 2015, section 3. Neighbours are words of like use, antonyms among
them, so the checks on label and similarity matter here most.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Literal

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.augment._neighbours import EncoderVectors, Neighbours, VectorsSpec
from luthier.data.augment._pieces import how_many, pieces, replace_words
from luthier.data.augment._random import distinct


class EmbeddingsAugmenter(Spec):
    """Replaces words by their nearest neighbours."""

    kind: Literal["embeddings"] = "embeddings"
    vectors: VectorsSpec = EncoderVectors()
    """Which vectors say what is near: the encoder's, a file's, or word2vec trained here."""
    rate: float = Field(default=0.15, gt=0.0, le=1.0)
    """Share of the words with neighbours that are replaced, at least one."""
    nearest: int = Field(default=5, ge=1)
    """Only so many neighbours of a word may replace it."""
    min_word_similarity: float = Field(default=0.5, ge=-1.0, le=1.0)
    """Neighbours with a smaller cosine are not used."""


def with_neighbours(
    text: str,
    spec: EmbeddingsAugmenter,
    neighbours: Neighbours,
    number: int,
    seed: int,
    keep: Collection[str] = (),
) -> list[str]:
    """Texts with some words replaced by near ones.

    Args:
        text: Any text.
        spec: Settings.
        neighbours: Of the words.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never altered, in lower case.
    """
    cut = pieces(text, keep)
    options = {
        i: found
        for i, piece in enumerate(cut)
        if piece.kind == "word"
        and (found := neighbours.of(piece.text, spec.nearest, spec.min_word_similarity))
    }
    if not options:
        return []

    def make(chance: random.Random) -> str:
        places = chance.sample(sorted(options), how_many(len(options), spec.rate))
        return replace_words(cut, lambda i: chance.choice(options[i]), sorted(places))

    return distinct(make, text, number, seed, spec.kind)
