"""Near-duplicate texts: MinHash bands propose, the exact Jaccard similarity decides.

Texts are compared as sets of word shingles. A text is called a near-duplicate only of one that
stays (its survivor), and only after their similarity was computed, so that chains of slightly
different texts never collapse into one.

Source of the method: A. Broder, *On the resemblance and containment of documents*, 1997; banding:
J. Leskovec, A. Rajaraman, J. Ullman, *Mining of Massive Datasets*, chapter 3.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np
import numpy.typing as npt
from pydantic import Field

from luthier.core.progress import Progress, Quiet
from luthier.core.spec import Spec
from luthier.data._sketch import Shingles, Sketch, batched, sketch
from luthier.data.batches import Embedded, RunnerSpec, map_batches

MOST_SURVIVORS = 64
"""Texts that stay and share a band: later ones are not sought by that band, which tells too
little apart; the other bands still find them."""
MOST_COMPARED = 64
"""Texts one text is compared with, those first that share the most bands."""
HERE = Embedded()

_WORD = re.compile(r"\w+")


class DuplicatesSpec(Spec):
    """When two texts count as the same."""

    threshold: float = Field(default=0.8, gt=0.5, le=1.0)
    """Jaccard similarity of word shingles from which texts are near-duplicates."""
    shingle_words: int = Field(default=3, ge=1, le=10)
    """Words in a shingle."""
    min_words: int = Field(default=8, ge=1)
    """Shorter texts are never called near-duplicates: they say too little."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Which texts repeat which.

    Attributes:
        standing_for: For each text the index of the text that stands for it: its own, or an
            earlier one's.
        compared: Pairs whose similarity was computed.
        crowded: Texts for which the search was cut short by ``MOST_SURVIVORS`` or
            ``MOST_COMPARED``: a near-duplicate of theirs may have been missed.
    """

    standing_for: npt.NDArray[np.int64]
    compared: int
    crowded: int


def words_of(text: str) -> list[str]:
    """The words of a text in lower case: what is left of it when layout and signs are ignored."""
    return _WORD.findall(text.casefold())


def survivors(texts: Iterable[str], spec: DuplicatesSpec) -> list[int]:
    """For each text the index of the text that stands for it: its own, or an earlier one's.

    Args:
        texts: In order of precedence. Appending texts never changes the answers for those before.
        spec: Settings.

    Returns:
        As many indices as texts; ``found[i] <= i`` and ``found[found[i]] == found[i]``.
    """
    return [int(index) for index in find(texts, spec).standing_for]


def find(
    texts: Iterable[str],
    spec: DuplicatesSpec,
    runner: RunnerSpec = HERE,
    progress: Progress | None = None,
) -> Found:
    """Near-duplicates among any number of texts, each read once.

    A text stands for itself unless one that stays is similar enough; then the most similar stands
    for it, the earliest among equals. Two texts with similarity s share a band with probability
    1 - (1 - s^4)^20 (0.9999 at 0.8), below a threshold of 0.65 with 1 - (1 - s^3)^27. Memory is
    about 200 bytes for each text; shingles wait in a temporary file (4 bytes for each word).

    Args:
        texts: In order of precedence; read as a stream, never held.
        spec: Settings.
        runner: Where the shingles and bands are computed; it does not change the answers.
        progress: Shows one bar of batches.

    Returns:
        The answers and what it took. Appending texts never changes the answers for those before.
    """
    bands, rows = (20, 4) if spec.threshold >= 0.65 else (27, 3)
    sketched = functools.partial(
        sketch, shingle_words=spec.shingle_words, min_words=spec.min_words, bands=bands, rows=rows
    )
    batches = map_batches(
        sketched,
        batched(texts),
        runner=runner,
        progress=progress or Quiet(),
        title="Looking for near-duplicates",
    )
    with tempfile.TemporaryFile(prefix="luthier-shingles-") as file:
        collected = _collect(batches, file, bands)
        return _resolve(collected, file, spec.threshold)


def jaccard(one: Shingles, other: Shingles) -> float:
    """Shared shingles over all shingles, 0 to 1, of two sorted sets without repeats."""
    both = np.concatenate((one, other))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)


@dataclasses.dataclass(frozen=True, slots=True)
class _Collected:
    """All sketches but the shingles, which stand in a file from ``starts``."""

    bands: list[npt.NDArray[np.uint32]]
    counts: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    whole: npt.NDArray[np.uint64]


def _collect(sketches: Iterable[Sketch], file: IO[bytes], bands: int) -> _Collected:
    parts = []
    for one in sketches:
        file.write(one.shingles.tobytes())
        parts.append((np.ascontiguousarray(one.bands.T), one.counts, one.whole))
    columns = [
        np.concatenate([np.zeros(0, np.uint32), *(part[0][band] for part in parts)])
        for band in range(bands)
    ]
    counts = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in parts)])
    whole = np.concatenate([np.zeros(0, np.uint64), *(part[2] for part in parts)])
    return _Collected(columns, counts, np.cumsum(counts) - counts, whole)


def _resolve(collected: _Collected, file: IO[bytes], threshold: float) -> Found:
    """Walk in order through the texts that share a band with another."""
    standing_for, distinct = _equal(collected)

    @functools.lru_cache(maxsize=2**14)
    def shingles(index: int) -> Shingles:
        file.seek(4 * int(collected.starts[index]))
        return np.frombuffer(file.read(4 * int(collected.counts[index])), dtype=np.uint32)

    buckets: dict[int, list[int]] = {}
    compared = crowded = 0
    for index, keys in _sharing(collected.bands, distinct):
        shared = Counter(other for key in keys for other in buckets.get(key, ()))
        ranked = sorted(shared, key=lambda other: (-shared[other], other))
        best, stands = 0.0, index
        for other in ranked[:MOST_COMPARED]:
            few, many = sorted((int(collected.counts[index]), int(collected.counts[other])))
            if few < max(threshold, best) * many:
                continue  # even if all of the smaller set is shared
            compared += 1
            likeness = jaccard(shingles(index), shingles(other))
            if likeness >= threshold and (likeness, -other) > (best, -stands):
                best, stands = likeness, other
        standing_for[index] = stands
        if stands == index:
            full = [not _enter(buckets.setdefault(key, []), index) for key in keys]
            crowded += any(full) or len(ranked) > MOST_COMPARED
    # equal texts stand where the first of them does
    return Found(standing_for[standing_for], compared, crowded)


def _enter(bucket: list[int], index: int) -> bool:
    """Enter a text that stays, unless the bucket is full."""
    if len(bucket) >= MOST_SURVIVORS:
        return False
    bucket.append(index)
    return True


def _equal(
    collected: _Collected,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first text with equal shingles for each text, and the texts that are such a first."""
    standing_for = np.arange(len(collected.counts))
    filled = np.flatnonzero(collected.counts)
    _, firsts, which = np.unique(collected.whole[filled], return_index=True, return_inverse=True)
    standing_for[filled] = filled[firsts[which]]
    return standing_for, filled[np.sort(firsts)]


def _sharing(
    bands: Sequence[npt.NDArray[np.uint32]], texts: npt.NDArray[np.int64]
) -> Iterator[tuple[int, list[int]]]:
    """Each text that shares a band with another, in order, and numbers of what it shares."""
    if len(texts) < 2:
        return
    low, half = np.uint64(2**32 - 1), np.uint64(32)
    entries, used = [np.zeros(0, dtype=np.uint64)], 0
    for column in bands:
        packed = (column[texts].astype(np.uint64) << half) | texts.astype(np.uint64)
        packed.sort()
        keys = packed >> half
        same = keys[1:] == keys[:-1]
        shared = np.append(same, False)
        shared[1:] |= same
        opens = shared.copy()
        opens[1:] &= ~same
        number = np.cumsum(opens)[shared].astype(np.uint64) + np.uint64(used)
        entries.append(((packed[shared] & low) << half) | number)
        used += int(np.count_nonzero(opens))
    found = np.concatenate(entries)
    del entries
    found.sort()
    owners = (found >> half).astype(np.int64)
    cuts = np.flatnonzero(owners[1:] != owners[:-1]) + 1
    bounds = [0, *cuts.tolist(), len(found)] if len(found) else [0]
    for start, end in itertools.pairwise(bounds):
        yield int(owners[start]), (found[start:end] & low).tolist()
