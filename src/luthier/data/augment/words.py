"""Word noise: words exchanged, dropped, cut in two or run together.

Swap and deletion are two of the four operations of J. Wei and K. Zou, *EDA: easy data augmentation
techniques for boosting performance on text classification tasks*, EMNLP 2019, section 2; its
synonym replacement is the ``synonyms`` augmenter.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections import defaultdict
from collections.abc import Collection
from typing import Literal, assert_never

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.augment._pieces import Piece, how_many, join, pieces
from luthier.data.augment._random import distinct
from luthier.data.augment._sentence_ends import sentence_ends
from luthier.data.augment._word_lists import FILLERS

WordEdit = Literal["swap", "delete", "split", "merge"]


class WordsAugmenter(Spec):
    """Disturbs the order and the borders of words."""

    kind: Literal["words"] = "words"
    edits: tuple[WordEdit, ...] = Field(default=("swap", "delete"), min_length=1)
    """One of them is made in each text: ``swap`` exchanges two words of a sentence, ``delete``
    drops words, ``split`` cuts words in two, ``merge`` takes the space between two words away. In
    rows without a label, whose answers hang on every word, ``swap`` exchanges neighbours alone
    and ``delete`` drops ``the`` and filling words alone."""
    rate: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Share of a text's words that are altered, at least one."""


def disturbed(
    text: str,
    spec: WordsAugmenter,
    number: int,
    seed: int,
    keep: Collection[str] = (),
    labelled: bool = True,
) -> list[str]:
    """Texts with words exchanged, dropped, split or merged.

    Args:
        text: Any text.
        spec: Settings.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never altered, in lower case.
        labelled: Whether the text has a label, which stands up to more.
    """
    cut = pieces(text, keep)
    words = [i for i, p in enumerate(cut) if p.kind == "word"]

    def make(chance: random.Random) -> str | None:
        return _altered(cut, words, chance.choice(spec.edits), spec.rate, chance, labelled)

    return distinct(make, text, number, seed, spec.kind)


def _altered(
    cut: list[Piece],
    words: list[int],
    edit: WordEdit,
    rate: float,
    chance: random.Random,
    labelled: bool,
) -> str | None:
    number = how_many(len(words), rate)
    match edit:
        case "swap":
            return _swapped(cut, _partners(cut, words, labelled), number, chance)
        case "delete":
            if len(words) < 2:
                return None
            free = [i for i in words if labelled or cut[i].text.lower() in FILLERS]
            gone = set(chance.sample(free, min(number, len(free), len(words) - 1)))
            return _without(cut, gone)
        case "split":
            long = [i for i in words if len(cut[i].text) >= 4]
            said = [p.text for p in cut]
            for i in chance.sample(long, min(number, len(long))):
                at = chance.randrange(2, len(said[i]) - 1)
                said[i] = f"{said[i][:at]} {said[i][at:]}"
            return "".join(said)
        case "merge":
            gaps = [
                i + 1
                for i in words
                if i + 2 < len(cut) and cut[i + 1].text == " " and cut[i + 2].kind == "word"
            ]
            closed = set(chance.sample(gaps, min(number, len(gaps))))
            return join(p for i, p in enumerate(cut) if i not in closed)
        case _:
            assert_never(edit)


def _partners(cut: list[Piece], words: list[int], labelled: bool) -> dict[int, list[int]]:
    """Words that each word may be exchanged with: of its sentence, or the next one alone."""
    if not labelled:
        near = [i for i in words if i + 2 < len(cut) and cut[i + 1].text == " "]
        return {
            i: [i + 2]
            for i in near
            if cut[i + 2].kind == "word" and (cut[i].text + cut[i + 2].text).islower()
        }
    edges = list(itertools.accumulate((len(p.text) for p in cut), initial=0))
    ends = sentence_ends(join(cut))
    own: defaultdict[int, list[int]] = defaultdict(list)
    for i in words:
        own[bisect.bisect_right(ends, edges[i])].append(i)
    return {i: group for group in own.values() if len(group) > 1 for i in group}


def _swapped(
    cut: list[Piece], partners: dict[int, list[int]], number: int, chance: random.Random
) -> str | None:
    """The text with some pairs of words exchanged, no word twice."""
    said, moved = [p.text for p in cut], set[int]()
    for one in chance.sample(sorted(partners), min(number, len(partners))):
        other = chance.choice(partners[one])
        if one != other and moved.isdisjoint((one, other)):
            said[one], said[other] = said[other], said[one]
            moved |= {one, other}
    return "".join(said) if moved else None


def _without(cut: list[Piece], gone: set[int]) -> str:
    """The text without some words, and without a space that stood beside each."""
    said = [p.text for p in cut]
    for i in sorted(gone):
        said[i] = ""
        if i + 1 < len(cut) and cut[i + 1].text == " ":
            said[i + 1] = ""
            continue
        before = next((j for j in range(i - 1, -1, -1) if said[j]), None)
        if before is not None and said[before] == " ":
            said[before] = ""
    return "".join(said).strip(" ,;:")
