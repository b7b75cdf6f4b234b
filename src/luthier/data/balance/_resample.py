"""Over- and under-sampling: copies of rows of rare classes, fewer rows of frequent ones."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Example


def by_label(rows: Sequence[Example]) -> dict[str, list[int]]:
    """Places of the rows of each label, labels sorted by name."""
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault(row.label, []).append(place)
    return dict(sorted(found.items()))


def counts_of(labels: Sequence[str]) -> dict[str, int]:
    """How many of each label there are, labels sorted by name."""
    return dict(sorted(Counter(labels).items()))


def over_sample(rows: Sequence[Example], ratio: float, seed: int) -> list[Example]:
    """Copies that bring each class up to a share of the largest one.

    Args:
        rows: Labelled training rows.
        ratio: Share of the largest class's rows that every class has in the end, above 0 to 1.
        seed: Decides which rows are copied (drawn with replacement).

    Returns:
        The copies alone: same content, side and group, a new id, ``parent`` the row copied.
    """
    places = by_label(rows)
    goal = math.ceil(ratio * max(map(len, places.values())))
    taken = {row.id for row in rows}
    numbers: Counter[str] = Counter()
    copies = []
    for label, own in places.items():
        random = generator(seed, "over", label)
        drawn = random.integers(len(own), size=max(0, goal - len(own)))
        for place in drawn.tolist():
            copies.append(_copy(rows[own[place]], taken, numbers))
    return copies


def under_sample(rows: Sequence[Example], ratio: float, seed: int, ledger: Ledger) -> list[Example]:
    """The rows that are left when frequent classes are cut towards the smallest one.

    Which rows stay follows from a hash of seed and id, so that adding rows changes little.

    Args:
        rows: Labelled training rows.
        ratio: Smallest class's rows divided by the largest's in the end, above 0 to 1.
        seed: Another seed, other rows.
        ledger: Gets a line for each row left out.
    """
    places = by_label(rows)
    goal = math.ceil(min(map(len, places.values())) / ratio)
    kept: set[int] = set()
    for own in places.values():
        kept |= set(sorted(own, key=lambda p: _rank(seed, rows[p].id))[:goal])
    for place, row in enumerate(rows):
        if place not in kept:
            ledger.refuse("under-sampled", row.origin, f"{row.label}: {row.question}")
    return [row for place, row in enumerate(rows) if place in kept]


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for."""
    digest = hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _copy(row: Example, taken: set[str], numbers: Counter[str]) -> Example:
    while True:
        numbers[row.id] += 1
        name = f"{row.id}+{numbers[row.id]}"
        if name not in taken:
            taken.add(name)
            return dataclasses.replace(row, id=name, parent=row.id)


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{name}".encode()).digest()
