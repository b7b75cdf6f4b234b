"""Passages read sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from luthier.rag.ranking.nearest_sentence import NearestSentence

AXES = {"tea": 0, "ship": 1}


class Words:
    """One axis for each of two words, one for all others; counts what it encodes."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.encoded += texts
        made = np.zeros((len(texts), 3), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().replace(".", "").split():
                made[row, AXES.get(word, 2)] += 1
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_the_nearest_sentence_counts_not_the_mean() -> None:
    read = NearestSentence(Words())
    told = read("tea", ["Tea.\nShip ship.", "Tea and ship.", "Ship."])
    np.testing.assert_allclose(told, [1.0, 1 / 3**0.5, 0.0], atol=1e-3)


def test_no_sentence_is_no_likeness() -> None:
    assert NearestSentence(Words())("tea", ["", "Tea."]).tolist() == pytest.approx([0.0, 1.0])
    assert len(NearestSentence(Words())("tea", [])) == 0


def test_a_passage_is_encoded_once_while_it_is_kept() -> None:
    encode = Words()
    read = NearestSentence(encode, kept=2)
    first = read("tea", ["Tea. Ship.", "Ship."])
    before = len(encode.encoded)
    assert read("tea", ["Tea. Ship.", "Ship."]).tolist() == first.tolist()
    assert encode.encoded[before:] == ["tea"]
    read("tea", ["Other.", "Another."])
    before = len(encode.encoded)
    read("tea", ["Ship."])
    assert encode.encoded[before:] == ["tea", "Ship."]
