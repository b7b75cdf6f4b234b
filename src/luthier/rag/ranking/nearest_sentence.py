"""Passages read sentence by sentence: how near the nearest of them is to the question.

The vector of a whole passage is the mean of all it says; what answers a question is often one
sentence. The largest cosine over its sentences (as in Dai and Callan 2019, "Deeper text
understanding for IR", arXiv:1905.09217, section 3: MaxP over sentences) needs no training, and no
other network than the index's own encoder.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from luthier.rag.reading.sentences import sentences

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
KEPT = 4096
"""Passages whose sentences' vectors are kept, about 7 kB each with MiniLM."""


class NearestSentence:
    """Scores passages for a question; see the module.

    Vectors of sentences are kept, so a passage that is read again costs nothing. Safe to share
    between threads.

    Args:
        encode: Vectors of length 1, float32 [texts, dimension]: the index's encoder.
        kept: Passages whose vectors are kept.
    """

    def __init__(self, encode: Encode, kept: int = KEPT) -> None:
        self._encode, self._most = encode, kept
        self._held: OrderedDict[bytes, npt.NDArray[np.float16]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Cosine of the question and the nearest sentence of each text.

        Args:
            question: The question.
            texts: Passages; a title on a line of its own is a sentence, too.

        Returns:
            float32 [texts], -1 to 1; 0 for a text without a sentence.
        """
        names = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        with self._lock:
            found = {name: self._held[name] for name in names if name in self._held}
        new = {n: t for n, t in zip(names, texts, strict=True) if n not in found}
        parts = {n: [t[a:b] for a, b in sentences(t)] for n, t in new.items()}
        vectors = self._encode([question, *(one for part in parts.values() for one in part)])
        start = 1
        for name, part in parts.items():
            found[name] = vectors[start : start + len(part)].astype(np.float16)
            start += len(part)
        self._keep(found)
        asked = vectors[0]
        near = [(found[n].astype(np.float32) @ asked).max(initial=-1.0) for n in names]
        empty = [not len(found[name]) for name in names]
        made: npt.NDArray[np.float32] = np.where(empty, 0.0, near).astype(np.float32)
        return made

    def _keep(self, found: dict[bytes, npt.NDArray[np.float16]]) -> None:
        with self._lock:
            for name, vectors in found.items():
                self._held[name] = vectors
                self._held.move_to_end(name)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
