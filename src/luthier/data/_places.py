"""Where a group falls: by a hash of its name, or by its place among the groups of its class.

A place is drawn from the seed in permuted blocks, so that every beginning of the sequence holds
its share and nobody can tell beforehand which place it will be (M. Zelen, *The randomization and
stratification of patients to clinical trials*, Journal of Chronic Diseases 27, 1974).
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

SEPARATOR = "\x1f"


def place_of(seed: int, *names: str) -> float:
    """A number from 0 to below 1 that follows from the seed and the names alone."""
    digest = hashlib.sha256(SEPARATOR.join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def exact(share: float) -> Fraction:
    """A share as it was written: 0.29 is 29/100 and nothing beside it."""
    return Fraction(repr(share))


def is_drawn(number: int, share: Fraction, seed: int, *names: str) -> bool:
    """Whether the member of this number, counted from 0, is one of the share that is drawn.

    Of the first n members, between ``floor(n * share)`` and one more are drawn, and exactly
    ``n * share`` where that is whole: of each block of about 1 / share members one is.

    Args:
        number: From 0.
        share: 0 to 1.
        seed: Of the draw.
        names: What is being drawn; other names, other draws.
    """
    if share <= 0:
        return False
    block = math.floor(number * share)
    first, end = math.ceil(block / share), math.ceil((block + 1) / share)
    return number == first + int(place_of(seed, *names, str(block)) * (end - first))


def fold_drawn(number: int, folds: int, seed: int, *names: str) -> int:
    """The fold of the member of this number: in each block of ``folds`` members every fold once."""
    block, place = divmod(number, folds)
    order = sorted(range(folds), key=lambda f: place_of(seed, *names, str(block), str(f)))
    return order[place]
