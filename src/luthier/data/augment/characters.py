"""Character noise: slips of the finger on a QWERTY keyboard, misreadings of OCR, and plain edits.

Edits are those of D. Pruthi, B. Dhingra, Z. Lipton, *Combating adversarial misspellings with robust
word recognition*, ACL 2019, section 3: a letter is swapped, dropped, added or hit beside its key.
At most one edit falls on a word, and none on its first letter, which readers rely on most.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Literal, assert_never

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.augment._pieces import how_many, pieces, replace_words
from luthier.data.augment._random import distinct

CharacterEdit = Literal["typo", "ocr", "swap", "delete", "insert"]

KEYS_BESIDE = {
    "q": "wa", "w": "qeas", "e": "wrsd", "r": "etdf", "t": "ryfg", "y": "tugh", "u": "yihj",
    "i": "uojk", "o": "ipkl", "p": "ol", "a": "qwsz", "s": "wedxza", "d": "erfcxs", "f": "rtgvcd",
    "g": "tyhbvf", "h": "yujnbg", "j": "uikmnh", "k": "iolmj", "l": "opk", "z": "asx", "x": "zsdc",
    "c": "xdfv", "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip
"""Keys at distance one on a QWERTY keyboard."""

OCR_CONFUSIONS = {
    "rn": ("m",), "m": ("rn",), "cl": ("d",), "d": ("cl",), "vv": ("w",), "w": ("vv",),
    "nn": ("m",), "li": ("h",), "h": ("b", "li"), "ii": ("u",), "u": ("ii", "v"), "c": ("e", "o"),
    "e": ("c",), "o": ("0", "c"), "l": ("1", "i"), "i": ("l", "j"), "s": ("5",), "b": ("6", "h"),
    "g": ("9", "q"), "t": ("f",), "f": ("t",), "n": ("ri", "h"), "y": ("v",), "z": ("2",),
}  # fmt: skip
"""Letter shapes that scanners take for one another."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class CharactersAugmenter(Spec):
    """Misspells words."""

    kind: Literal["characters"] = "characters"
    edits: tuple[CharacterEdit, ...] = Field(
        default=("typo", "ocr", "swap", "delete", "insert"), min_length=1
    )
    """Which edits are made, each as often as the others: ``typo`` hits a key beside, ``ocr`` is
    misread, ``swap`` exchanges two letters, ``delete`` drops one, ``insert`` doubles a key."""
    rate: float = Field(default=0.15, gt=0.0, le=1.0)
    """Share of a text's words that are misspelt, at least one."""
    min_letters: int = Field(default=4, ge=2)
    """Shorter words are left alone."""


def misspelt(
    text: str, spec: CharactersAugmenter, number: int, seed: int, keep: Collection[str] = ()
) -> list[str]:
    """Texts with misspelt words.

    Args:
        text: Any text.
        spec: Settings.
        number: Largest number of texts returned.
        seed: Another seed, other texts.
        keep: Words never altered, in lower case.
    """
    cut = pieces(text, keep)
    places = [
        i for i, p in enumerate(cut) if p.kind == "word" and len(p.text) >= max(2, spec.min_letters)
    ]
    if not places:
        return []

    def make(chance: random.Random) -> str:
        chosen = sorted(chance.sample(places, how_many(len(places), spec.rate)))
        return replace_words(
            cut, lambda i: misspell(cut[i].text, chance.choice(spec.edits), chance), chosen
        )

    return distinct(make, text, number, seed, spec.kind)


def misspell(word: str, edit: CharacterEdit, chance: random.Random) -> str | None:
    """One edit of a word past its first letter; None if the word offers no place for it.

    Args:
        word: At least two letters.
        edit: Which.
        chance: Picks the place and the letter.
    """
    match edit:
        case "typo":
            return _replaced(word, {k: tuple(v) for k, v in KEYS_BESIDE.items()}, chance)
        case "ocr":
            return _replaced(word, OCR_CONFUSIONS, chance)
        case "swap":
            places = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1]]
            if not places:
                return None
            i = chance.choice(places)
            return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        case "delete":
            i = chance.randrange(1, len(word))
            return word[:i] + word[i + 1 :]
        case "insert":
            i = chance.randrange(1, len(word))
            beside = KEYS_BESIDE.get(word[i].lower(), _LETTERS)
            return word[:i] + chance.choice(beside) + word[i:]
        case _:
            assert_never(edit)


def _replaced(word: str, table: dict[str, tuple[str, ...]], chance: random.Random) -> str | None:
    low = word.lower()
    options = [
        (i, old, new)
        for old, several in table.items()
        for i in range(1, len(word) - len(old) + 1)
        if low[i : i + len(old)] == old
        for new in several
    ]
    if not options:
        return None
    i, old, new = chance.choice(options)
    return word[:i] + new + word[i + len(old) :]
