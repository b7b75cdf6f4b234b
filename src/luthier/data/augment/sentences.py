"""Sentence noise: the sentences of a text in another order, or one of them left out."""

from __future__ import annotations

import bisect
import itertools
import random
import re
from collections.abc import Collection, Sequence
from typing import Literal, assert_never

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.augment._pieces import how_many, pieces
from luthier.data.augment._random import distinct
from luthier.data.augment._sentence_ends import sentence_ends
from luthier.data.augment._word_lists import REFERRING, STOP_WORDS

_WORDS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
SentenceEdit = Literal["shuffle", "drop"]


class SentencesAugmenter(Spec):
    """Disturbs the order of sentences; texts of one sentence yield nothing."""

    kind: Literal["sentences"] = "sentences"
    edits: tuple[SentenceEdit, ...] = Field(default=("shuffle", "drop"), min_length=1)
    """One of them is made in each text. ``drop`` never drops the question nor a sentence that holds
    a kept span. In rows without a label, ``shuffle`` only exchanges neighbours that do not lean on
    each other, and the question stays in its place."""
    rate: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of the sentences that ``drop`` drops, at least one and never all."""
    drop_unlabelled: bool = False
    """Whether ``drop`` is made in rows without a label too, whose answers may need any sentence."""


def reordered(
    text: str,
    spec: SentencesAugmenter,
    number: int,
    seed: int,
    keep: Collection[str] = (),
    labelled: bool = True,
) -> list[str]:
    """Texts with their sentences in another order or with some dropped.

    Args:
        text: Any text; code is never taken apart.
        spec: Settings.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never dropped, in lower case.
        labelled: Whether the text has a label, which stands whatever the order.
    """
    cut = sentences(text, keep)
    asked = question_at([s for s, _ in cut])
    edits = [e for e in spec.edits if e == "shuffle" or labelled or spec.drop_unlabelled]
    if len(cut) < 2 or not edits:
        return []

    def make(chance: random.Random) -> str | None:
        edit = chance.choice(edits)
        match edit:
            case "shuffle" if labelled:
                order = chance.sample(range(len(cut)), len(cut))
            case "shuffle":
                order = _exchanged([s for s, _ in cut], asked, chance)
            case "drop":
                free = [i for i, (_, kept) in enumerate(cut) if not kept and i != asked]
                gone = chance.sample(free, min(how_many(len(cut), spec.rate), len(free)))
                order = [i for i in range(len(cut)) if i not in gone]
            case _:
                assert_never(edit)
        return " ".join(cut[i][0] for i in order) if order != list(range(len(cut))) else None

    return distinct(make, text, number, seed, spec.kind)


def sentences(text: str, keep: Collection[str] = ()) -> list[tuple[str, bool]]:
    """The sentences of a text without the space around them, and whether each has a kept span."""
    cut = pieces(text, keep)
    edges = list(itertools.accumulate((len(p.text) for p in cut), initial=0))
    spans = [(a, b) for p, a, b in zip(cut, edges, edges[1:], strict=False) if p.kind == "kept"]
    starts, after = [a for a, _ in spans], [b for _, b in spans]
    found, begin = [], 0
    for end in [*sentence_ends(text), len(text)]:
        inside = bisect.bisect_left(starts, end) - 1
        if inside >= 0 and end < after[inside]:
            continue
        said = text[begin:end].strip()
        kept = bisect.bisect_left(starts, end) > bisect.bisect_left(starts, begin)
        if said:
            found.append((said, kept))
        begin = end
    return found


def question_at(said: Sequence[str]) -> int:
    """Which of some sentences asks: the last with a question mark, else the last; -1 of none."""
    asking = [i for i, one in enumerate(said) if "?" in one]
    return asking[-1] if asking else len(said) - 1


def _exchanged(said: Sequence[str], asked: int, chance: random.Random) -> list[int]:
    """An order with one pair of neighbours exchanged that say the same both ways round."""
    order = list(range(len(said)))
    free = [
        i
        for i in range(len(said) - 1)
        if asked not in (i, i + 1) and not _leans(said[i], said[i + 1])
    ]
    if free:
        at = chance.choice(free)
        order[at], order[at + 1] = order[at + 1], order[at]
    return order


def _leans(one: str, other: str) -> bool:
    """Whether one of two neighbours refers to what stands before it, or they share a thing."""
    first, second = (_WORDS.findall(text.lower()) for text in (one, other))
    if not REFERRING.isdisjoint([*first, *second]):
        return True
    things = {w for w in first if w not in STOP_WORDS}
    named = {w for before, w in itertools.pairwise(second) if before == "the"}
    return not things.isdisjoint(named)
