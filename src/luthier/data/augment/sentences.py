"""Sentence noise: the sentences of a text in another order, or one of them left out."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Literal, assert_never

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.augment._pieces import how_many, pieces
from luthier.data.augment._random import distinct

SentenceEdit = Literal["shuffle", "drop"]


class SentencesAugmenter(Spec):
    """Disturbs the order of sentences; texts of one sentence yield nothing."""

    kind: Literal["sentences"] = "sentences"
    edits: tuple[SentenceEdit, ...] = Field(default=("shuffle", "drop"), min_length=1)
    """One of them is made in each text. ``drop`` never drops a sentence that holds a kept span."""
    rate: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of the sentences that ``drop`` drops, at least one and never all."""


def reordered(
    text: str, spec: SentencesAugmenter, number: int, seed: int, keep: Collection[str] = ()
) -> list[str]:
    """Texts with their sentences in another order or with some dropped.

    Args:
        text: Any text; code is never taken apart.
        spec: Settings.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never dropped, in lower case.
    """
    cut = sentences(text, keep)
    if len(cut) < 2:
        return []

    def make(chance: random.Random) -> str | None:
        edit = chance.choice(spec.edits)
        match edit:
            case "shuffle":
                order = chance.sample(range(len(cut)), len(cut))
            case "drop":
                free = [i for i, (_, kept) in enumerate(cut) if not kept]
                gone = chance.sample(
                    free, min(how_many(len(cut), spec.rate), len(free), len(cut) - 1)
                )
                order = [i for i in range(len(cut)) if i not in gone]
            case _:
                assert_never(edit)
        return " ".join(cut[i][0] for i in order)

    return distinct(make, text, number, seed, spec.kind)


def sentences(text: str, keep: Collection[str] = ()) -> list[tuple[str, bool]]:
    """The sentences of a text without the space around them, and whether each has a kept span."""
    found: list[tuple[str, bool]] = []
    said, kept = "", False
    for piece in pieces(text, keep):
        head, end, rest = _at_end(piece.text) if piece.kind == "gap" else (piece.text, False, "")
        said += head
        kept = kept or piece.kind == "kept"
        if end:
            found.append((said.strip(), kept))
            said, kept = rest, False
    if said.strip():
        found.append((said.strip(), kept))
    return [(s, k) for s, k in found if s]


def _at_end(gap: str) -> tuple[str, bool, str]:
    """A gap cut after its full stop or line end, and whether a sentence ends in it."""
    signs = [i for i, c in enumerate(gap[:-1]) if c in ".!?" and gap[i + 1].isspace()]
    lines = [i for i, c in enumerate(gap) if c == "\n"]
    places = sorted([*signs, *lines])
    if not places:
        return gap, False, ""
    at = places[0] + 1
    return gap[:at], True, gap[at:]
