"""How varied texts are: distinct n-grams, and the Vendi score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from luthier.data.duplicates import words_of

if TYPE_CHECKING:
    from luthier.models.encode import Vectors


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Different word n-grams over all word n-grams, 0 to 1 (Li et al. 2016, distinct-n).

    It falls with the size of the sample: compare only samples of the same size. 0 without n-grams.
    """
    grams = [tuple(w[i : i + n]) for w in map(words_of, texts) for i in range(len(w) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def vendi_score(vectors: Vectors) -> float:
    """How many different texts there are in effect, from 1 (all alike) to their number.

    The exponential of the entropy of the eigenvalues of the similarity matrix divided by its size
    (Friedman & Dieng 2023, The Vendi Score, equation 3), with the cosine as similarity.

    Args:
        vectors: Normalised, float32 [texts, dimension]; at least one.
    """
    rows = vectors.astype(np.float64)
    small = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows  # same eigenvalues but 0
    values = np.linalg.eigvalsh(small / len(rows))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))
