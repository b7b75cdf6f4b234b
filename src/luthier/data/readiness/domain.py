"""Domain relevance: is a text more like the domain than like language in general?

Moore & Lewis 2010, Intelligent selection of language model training data: the difference of a
text's cross-entropy under an in-domain and under a general n-gram model; below zero it is more
like the domain.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.data.duplicates import words_of
from luthier.models import ngram

Floats = NDArray[np.float64]
END, UNKNOWN = 0, 1


def cross_entropy_difference(
    texts: Sequence[str],
    in_domain: Sequence[str],
    general: Sequence[str],
    *,
    order: int = 3,
    seed: int = 0,
) -> Floats:
    """Cross-entropy under the in-domain model minus that under the general one, bits per word.

    Both models are modified Kneser-Ney and share a vocabulary: the words that occur more than once
    in the domain (section 3 of the paper). The general model is trained on a random part of the
    general texts with about as many words as the domain has.

    Args:
        texts: What is judged; a text without words gets 0.
        in_domain: Texts of the domain. A text that is judged should not be among them.
        general: Texts of language in general.
        order: Longest n-gram, in words.
        seed: Decides the part of the general texts.

    Returns:
        One number for each text.

    Raises:
        ModelError: There is no word in the domain, or none in the general texts.
    """
    inside = [words_of(t) for t in in_domain]
    counts = Counter(w for words in inside for w in words)
    ids = {w: i for i, (w, n) in enumerate(counts.items(), 2) if n > 1}
    ids = {w: i for i, w in enumerate(ids, 2)}
    size = len(ids) + 2
    outside = _as_large([words_of(t) for t in general], sum(map(len, inside)), seed)
    models = [
        ngram.train(*_rows(rows, ids), end=END, vocab_size=size, order=order)
        for rows in (inside, outside)
    ]
    judged = [words_of(t) for t in texts]
    tokens, starts = _rows(judged, ids)
    bits = [model.nll(tokens, starts) / math.log(2) for model in models]
    lengths = np.diff(starts) - 1
    sums = np.zeros(len(texts))
    np.add.at(sums, np.repeat(np.arange(len(texts)), lengths), bits[0] - bits[1])
    per_word: Floats = np.where(lengths > 1, sums / np.maximum(lengths, 1), 0.0)
    return per_word


def _as_large(rows: list[list[str]], words: int, seed: int) -> list[list[str]]:
    """A random part of the rows with about so many words; all of them if they have fewer."""
    shuffled = random.Random(seed).sample(rows, len(rows))
    kept, total = [], 0
    for row in shuffled:
        if total >= words:
            break
        kept.append(row)
        total += len(row)
    return kept


def _rows(
    texts: Sequence[Sequence[str]], ids: dict[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Word numbers laid end to end, each text between end marks, and where each begins."""
    tokens: list[int] = []
    starts = [0]
    for words in texts:
        tokens += [END, *(ids.get(w, UNKNOWN) for w in words), END]
        starts.append(len(tokens))
    return np.array(tokens, dtype=np.int64), np.array(starts, dtype=np.int64)
