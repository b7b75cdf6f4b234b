"""Seeded chance: what happens to a row depends on the seed and the row, never on its neighbours."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable


def random_for(*parts: object) -> random.Random:
    """A generator that follows from the parts alone, on every machine and in every process."""
    return random.Random(number_for(*parts))


def number_for(*parts: object) -> int:
    """A 64-bit number that follows from the parts alone."""
    said = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")


def distinct(
    make: Callable[[random.Random], str | None], text: str, number: int, *key: object
) -> list[str]:
    """Up to ``number`` different texts made from one, none of them the text itself.

    Args:
        make: Makes one; None if nothing can be made.
        text: What it is made from.
        number: How many are wanted; three times as many are tried.
        key: Seeds the tries, with the text.
    """
    found: dict[str, None] = {}
    for turn in range(3 * number):
        made = make(random_for(*key, text, turn))
        if made is not None and made != text and made.strip():
            found[made] = None
        if len(found) == number:
            break
    return list(found)
