"""Find texts of documents in an answer whose reader may not see them.

Passages are kept as fingerprints, not as texts: hashes of runs of words, of which every window
keeps the least (winnowing, Schleimer et al. 2003). A run of `SURE` words or more that a passage and
an answer share is always found; a run that also stands in a passage the reader may see is none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from luthier.core.records import Passage
from luthier.rag.access import Viewer, may_see

RUN = 6
WINDOW = 4
SURE = RUN + WINDOW - 1
Hashes = npt.NDArray[np.uint64]


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprints:
    """Of the passages of an index.

    Attributes:
        hashes: Sorted; one of several passages stands there several times.
        lists: For each, the number of its access list.
        access: The access lists.
    """

    hashes: Hashes
    lists: npt.NDArray[np.int32]
    access: tuple[tuple[str, ...], ...]

    def leaks(self, text: str, who: Viewer) -> bool:
        """Whether a text shares a run of words with passages none of which a viewer may see."""
        runs = _runs(text)  # all of them: the passage's window may have kept any
        if not len(runs) or not len(self.hashes):
            return False
        seen = np.array([may_see(names, who) for names in self.access], dtype=bool)
        low = np.searchsorted(self.hashes, runs, "left")
        high = np.searchsorted(self.hashes, runs, "right")
        return any(not seen[self.lists[a:b]].any() for a, b in zip(low, high, strict=True) if b > a)


def fingerprints(passages: Iterable[Passage]) -> Fingerprints:
    """Take the fingerprints of all passages of an index, open ones too."""
    numbers: dict[tuple[str, ...], int] = {}
    hashes: list[Hashes] = []
    lists: list[npt.NDArray[np.int32]] = []
    for passage in passages:
        chosen = _winnowed(_runs(passage.text))
        number = numbers.setdefault(tuple(sorted(passage.access)), len(numbers))
        hashes.append(chosen)
        lists.append(np.full(len(chosen), number, dtype=np.int32))
    if not hashes:
        return Fingerprints(np.empty(0, np.uint64), np.empty(0, np.int32), ())
    every, numbered = np.concatenate(hashes), np.concatenate(lists)
    order = np.argsort(every, kind="stable")
    return Fingerprints(every[order], numbered[order], tuple(numbers))


def _runs(text: str) -> Hashes:
    """A hash of each run of words."""
    words = re.findall(r"[^\W_]+", text.lower())
    if len(words) < RUN:
        return np.empty(0, np.uint64)
    each = np.array([_hash(word) for word in words], dtype=np.uint64)
    mixed = np.zeros(len(words) - RUN + 1, dtype=np.uint64)
    for i in range(RUN):
        mixed = (mixed ^ each[i : len(mixed) + i]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def _winnowed(runs: Hashes) -> Hashes:
    """The least hash of every window, each once."""
    if len(runs) <= WINDOW:
        return runs[:1] if len(runs) == 0 else np.array([runs.min()], dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(runs, WINDOW)
    return np.unique(windows.min(axis=1))
