"""Boilerplate: lines about cookies, scripts and rights, and lines that many documents share."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from luthier.core.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PHRASES = (
    "accept all cookies",
    "accept cookies",
    "all rights reserved",
    "back to top",
    "cookie policy",
    "cookie settings",
    "enable javascript",
    "follow us on",
    "javascript is disabled",
    "javascript is required",
    "manage cookies",
    "powered by wordpress",
    "privacy policy",
    "share on facebook",
    "share on twitter",
    "share this:",
    "sign up for our newsletter",
    "skip to content",
    "skip to main content",
    "subscribe to our newsletter",
    "terms of service",
    "terms of use",
    "turn on javascript",
    "use cookies",
    "use of cookies",
    "uses cookies",
)
_CELLS = 1 << 22


class BoilerplateSpec(Spec):
    """Which lines are boilerplate."""

    phrases: tuple[str, ...] = PHRASES
    """Lines that hold one of these go; capitals make no difference."""
    max_words: int = Field(default=30, ge=1)
    """Longer lines stay, whatever they hold: they are paragraphs."""
    shared_by: int | None = Field(default=None, ge=2)
    """Lines that stand in at least this many documents go; null: none. Needs two more passes."""
    shared_min_words: int = Field(default=3, ge=1)
    """Shorter lines are never called shared: a heading may come often."""


def strip_boilerplate(text: str, spec: BoilerplateSpec, shared: frozenset[int]) -> str:
    """Take boilerplate lines out of a text.

    Args:
        text: Any text.
        spec: Which lines.
        shared: Hashes (``line_hash``) of the lines that many documents share.
    """
    lower = text.lower()
    if not shared and not any(phrase.lower() in lower for phrase in spec.phrases):
        return text
    phrases = [phrase.lower() for phrase in spec.phrases]
    kept = []
    for line in text.split("\n"):
        small = line.lower()
        words = len(small.split())
        named = words <= spec.max_words and any(p in small for p in phrases)
        known = words >= spec.shared_min_words and bool(shared) and line_hash(line) in shared
        if not named and not known:
            kept.append(line)
    return "\n".join(kept)


def line_hash(line: str) -> int:
    """64 bits that stand for a line; capitals and white space make no difference."""
    plain = " ".join(line.casefold().split())
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def shared_lines(
    batches: Callable[[], Iterable[list[str]]], spec: BoilerplateSpec
) -> frozenset[int]:
    """Hashes of the lines that stand in at least ``shared_by`` documents.

    Memory does not grow with the number of documents: a first pass counts into a table of fixed
    size, where several lines may share a cell, and so counts too many at most; a second pass
    counts exactly what reached the limit there (G. Cormode, S. Muthukrishnan, *An Improved Data
    Stream Summary: The Count-Min Sketch*, 2005, with one row).

    Args:
        batches: Starts a new pass over the documents' texts, batch by batch.
        spec: Limits.
    """
    import numpy as np

    if spec.shared_by is None:
        return frozenset()
    cells: npt.NDArray[np.uint32] = np.zeros(_CELLS, dtype=np.uint32)
    for texts in batches():
        found = [value % _CELLS for text in texts for value in _hashes(text, spec)]
        np.add.at(cells, np.array(found, dtype=np.int64), np.uint32(1))
    counts: Counter[int] = Counter()
    for texts in batches():
        for text in texts:
            often = (h for h in _hashes(text, spec) if cells[h % _CELLS] >= spec.shared_by)
            counts.update(often)
    return frozenset(value for value, count in counts.items() if count >= spec.shared_by)


def _hashes(text: str, spec: BoilerplateSpec) -> set[int]:
    return {line_hash(x) for x in text.split("\n") if len(x.split()) >= spec.shared_min_words}
