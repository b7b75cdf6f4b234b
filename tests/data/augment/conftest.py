"""A small encoder of letter trigrams, classified rows, and a classifier by cue words."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from luthier.core.records import Example, Message, Side

Encode = Callable[[Sequence[str]], Any]

BANK = (
    "please send the money to my savings account",
    "transfer all the money from savings to checking",
    "move my money into the other account please",
    "how much money is left in the account",
)
MUSIC = (
    "please play the newest song of this singer",
    "skip this song and play another tune",
    "turn the music louder and repeat the song",
    "what tune is the singer playing at the moment",
)


@pytest.fixture
def encode() -> Encode:
    """Texts that share letter trigrams have similar vectors, as with a real encoder."""

    def _encode(texts: Sequence[str]) -> Any:
        vectors = np.zeros((len(texts), 512), np.float32)
        for row, text in enumerate(texts):
            padded = f"  {text.lower()} "
            for i in range(len(padded) - 2):
                vectors[row, zlib.crc32(padded[i : i + 3].encode("utf-8", "replace")) % 512] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-9)

    return _encode


class CueWords:
    """Says bank or music by counting a few words, and other where it finds none."""

    labels = ("bank", "music", "other")
    cues = ({"money", "account", "savings"}, {"song", "music", "tune", "singer"})

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, texts: Sequence[str]) -> Any:
        self.asked += len(texts)
        counts = [[sum(w in cue for w in t.lower().split()) for cue in self.cues] for t in texts]
        odds = np.exp(np.array([[*c, 0.5] for c in counts], float).reshape(len(texts), 3))
        return odds / odds.sum(axis=1, keepdims=True)


@pytest.fixture
def classify() -> CueWords:
    return CueWords()


class Remembers(CueWords):
    """Sure of any text that shares half its words with a row it was taught; else counts cues."""

    def __init__(self, taught: Sequence[Example]) -> None:
        super().__init__()
        self.taught = [(set(row.question.lower().split()), row.label) for row in taught]

    def __call__(self, texts: Sequence[str]) -> Any:
        odds = super().__call__(texts)
        for place, text in enumerate(texts):
            said = set(text.lower().split())
            for words, label in self.taught:
                if 2 * len(said & words) >= len(words):
                    odds[place] = [float(name == label) for name in self.labels]
        return odds


@pytest.fixture
def learn() -> Callable[[Sequence[Example]], Remembers]:
    return Remembers


def _row(number: int, text: str, label: str, side: Side) -> Example:
    messages = (Message("user", text), Message("assistant", label))
    return Example(f"{label}-{number}", messages, f"f.csv:{number}", f"g{number}", "row",
                   side=side, label=label)  # fmt: skip


@pytest.fixture
def rows() -> list[Example]:
    """Three training rows and a validation row of each label, and a test row."""
    made = []
    for label, texts in (("bank", BANK), ("music", MUSIC)):
        for n, text in enumerate(texts):
            made.append(_row(len(made), text, label, "train" if n < 3 else "validation"))
    made.append(_row(len(made), "is the bank open on the holidays", "bank", "test"))
    return made
