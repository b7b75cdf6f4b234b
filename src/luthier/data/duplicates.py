"""Near-duplicate texts: MinHash bands propose, exact Jaccard similarity decides.

Texts are compared as sets of word shingles. A text is called a near-duplicate only of one that
stays (its survivor), and only after their exact similarity was computed, so that chains of
slightly different texts never collapse into one.

Source of the method: A. Broder, *On the resemblance and containment of documents*, 1997; banding:
J. Leskovec, A. Rajaraman, J. Ullman, *Mining of Massive Datasets*, chapter 3.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.spec import Spec

Hashes = npt.NDArray[np.uint64]

BANDS, ROWS = 20, 4  # finds 99.99 % of pairs at similarity 0.8, 7 % at 0.25
_WORD = re.compile(r"\w+")
_PRIME_STEPS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


class DuplicatesSpec(Spec):
    """When two texts count as the same."""

    threshold: float = Field(default=0.8, gt=0.5, le=1.0)
    """Jaccard similarity of word shingles from which texts are near-duplicates."""
    shingle_words: int = Field(default=3, ge=1, le=10)
    """Words in a shingle."""
    min_words: int = Field(default=8, ge=1)
    """Shorter texts are never called near-duplicates: they say too little."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case: what is left of it when layout and signs are ignored."""
    return _WORD.findall(text.casefold())


def survivors(texts: Sequence[str], spec: DuplicatesSpec) -> list[int]:
    """For each text the index of the text that stands for it: its own, or an earlier one's.

    Args:
        texts: In order of precedence. Appending texts never changes the answers for those before.
        spec: Settings.

    Returns:
        As many indices as texts; ``found[i] <= i`` and ``found[found[i]] == found[i]``.
    """
    cache: dict[str, int] = {}
    shingles = [_shingles(words_of(text), spec, cache) for text in texts]
    bands = _bands(shingles)
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    found = []
    for index, mine in enumerate(shingles):
        keys = [(band, int(bands[index, band])) for band in range(BANDS)] if len(mine) else []
        candidates = sorted({other for key in keys for other in buckets.get(key, ())})
        best = max(
            ((jaccard(mine, shingles[other]), -other) for other in candidates), default=(0.0, 0)
        )
        if best[0] >= spec.threshold:
            found.append(-best[1])
        else:
            found.append(index)
            for key in keys:
                buckets[key].append(index)
    return found


def jaccard(one: Hashes, other: Hashes) -> float:
    """Shared shingles over all shingles, 0 to 1, of two sorted sets without repeats."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _shingles(words: list[str], spec: DuplicatesSpec, cache: dict[str, int]) -> Hashes:
    """Sorted distinct hashes of the word shingles; empty for texts under ``min_words``."""
    if len(words) < spec.min_words:
        return np.zeros(0, dtype=np.uint64)
    numbers = np.fromiter((_word_hash(w, cache) for w in words), np.uint64, len(words))
    width = min(spec.shingle_words, len(words))
    windows = np.lib.stride_tricks.sliding_window_view(numbers, width)
    mixed = np.zeros(len(windows), dtype=np.uint64)
    for column in range(width):
        mixed = (mixed ^ windows[:, column]) * _PRIME_STEPS[0]
        mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)


def _word_hash(word: str, cache: dict[str, int]) -> int:
    number = cache.get(word)
    if number is None:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = cache[word] = int.from_bytes(digest, "big")
    return number


def _bands(shingles: Sequence[Hashes]) -> Hashes:
    """One hash per text and band of its MinHash signature (texts x BANDS)."""
    bands = np.zeros((len(shingles), BANDS), dtype=np.uint64)
    filled = [i for i, s in enumerate(shingles) if len(s)]
    if not filled:
        return bands
    flat = np.concatenate([shingles[i] for i in filled])
    starts = np.cumsum([0, *(len(shingles[i]) for i in filled[:-1])])
    factors = np.random.Generator(np.random.PCG64(0)).integers(
        1, 2**63, size=(BANDS, ROWS, 2), dtype=np.uint64
    )
    for band in range(BANDS):
        mixed = np.zeros(len(filled), dtype=np.uint64)
        for row in range(ROWS):
            factor, shift = factors[band, row] | np.uint64(1)
            permuted = flat * factor + shift
            permuted ^= permuted >> np.uint64(32)
            least = np.minimum.reduceat(permuted * _PRIME_STEPS[1], starts)
            mixed = (mixed ^ least) * _PRIME_STEPS[0]
            mixed ^= mixed >> np.uint64(31)
        bands[filled, band] = mixed
    return bands
