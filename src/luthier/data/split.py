"""The split into training, validation and test sides: by group, stable, and locked.

A group's side follows from a hash of seed and group name alone, so that adding rows never moves
a row. A group whose first row nearly repeats a row of an earlier group joins that group. A later
row of a group that nearly repeats a row on another side is refused instead: nothing moves.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from pydantic import Field, model_validator

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Side
from luthier.core.spec import Spec


class SplitSpec(Spec):
    """How examples are divided."""

    test: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of groups locked away for the comparison."""
    validation: float = Field(default=0.05, ge=0.0, lt=1.0)
    """Share of groups that tuning watches."""

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitSpec:
        if self.test + self.validation >= 1.0:
            raise ValueError("test and validation together leave nothing for training")
        return self


def side_of(group: str, spec: SplitSpec, seed: int) -> Side:
    """The side a group falls on: a function of its name and the seed alone."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < spec.test:
        return "test"
    return "validation" if place < spec.test + spec.validation else "train"


def split(
    examples: Sequence[Example],
    standing_for: Sequence[int],
    spec: SplitSpec,
    seed: int,
    ledger: Ledger,
) -> list[Example]:
    """Give each example its side.

    Args:
        examples: In a stable order, newest last.
        standing_for: For each example the index of the earlier one it nearly repeats, or its own
            (``duplicates.survivors``).
        spec: Shares.
        seed: Another seed, another split.
        ledger: Gets a line for each example refused because its twin is on another side.

    Returns:
        The examples with ``side`` set; ``group`` is the joined group's name.
    """
    roots: dict[str, str] = {}
    done = []
    for example, twin in zip(examples, standing_for, strict=True):
        beside = roots.get(examples[twin].group, examples[twin].group)
        root = roots.setdefault(example.group, beside)
        side = side_of(root, spec, seed)
        if side_of(beside, spec, seed) != side:
            ledger.refuse("near-duplicate on another side", example.origin, example.question)
            continue
        done.append(dataclasses.replace(example, group=root, side=side))
    return done


def lock(examples: Sequence[Example]) -> str:
    """SHA-256 (hex) of the test side: its ids and contents, whatever their order."""
    rows = sorted(
        json.dumps([e.id, [[m.role, m.content] for m in e.messages]], ensure_ascii=False)
        for e in examples
        if e.side == "test"
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def count_sides(examples: Sequence[Example]) -> dict[str, dict[str, int]]:
    """Examples by side and kind: ``{"train": {"fact": 10, "form": 3}, ...}``."""
    counts = Counter((e.side, e.kind) for e in examples)
    kinds = sorted({e.kind for e in examples})
    return {side: {k: counts[side, k] for k in kinds} for side in ("train", "validation", "test")}
