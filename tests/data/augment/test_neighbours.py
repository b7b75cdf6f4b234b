"""The nearest words of a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.augment._neighbours import (
    EncoderVectors,
    FileVectors,
    TrainedVectors,
    count_words,
    find_neighbours,
    nearest,
)

TEXTS = ["transfer the money", "transfers of money", "play a song"]


def _find(spec: Any, encode: Any, base: Path, number: int = 3) -> dict[str, list[str]]:
    near = find_neighbours(
        spec, TEXTS, [], base=base, folder=base, seed=0, encode=encode, number=number
    )
    return {word: near.of(word, number, -1.0) for word in near.near}


def test_nearest_first_and_never_itself() -> None:
    angles = np.radians([0, 10, 30, 90])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    near = nearest(["a1", "bb", "cc", "dd"], vectors, ["bb", "missing"], 2)
    assert list(near.near) == ["bb"]
    assert near.of("BB", 5, 0.0) == ["cc", "dd"]  # a1, which is nearer, is no word
    assert near.of("bb", 1, 0.0) == near.of("bb", 5, 0.9) == ["cc"]
    assert near.of("bb", 5, 0.95) == []
    assert near.of("none", 5, 0.0) == []


def test_one_word_has_no_neighbour() -> None:
    assert nearest(["a"], np.ones((1, 2), np.float32), ["a"], 5).near == {}
    assert nearest([], np.zeros((0, 1), np.float32), [], 5).near == {}


def test_by_the_encoder(encode: Any, tmp_path: Path) -> None:
    found = _find(EncoderVectors(), encode, tmp_path)
    assert found["transfer"][0] == "transfers"
    assert "the" not in found
    assert not any("of" in near for near in found.values())


def test_by_a_file(encode: Any, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("cash 1 0.1\nmoney 1 0\ntune 0 1\nsong 0.1 1\n")
    found = _find(FileVectors(path="v.txt"), encode, tmp_path, 1)
    assert found == {"money": ["cash"], "song": ["tune"]}
    near = _find(FileVectors(path="v.txt", words=0), encode, tmp_path, 1)
    assert near == {"money": ["song"], "song": ["money"]}  # only words of the rows are read


def test_by_word2vec_trained_here(encode: Any, tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    (tmp_path / "more.txt").write_text("send the cash\nplay a tune\n")
    spec = TrainedVectors(corpus=("more.txt",), dimension=4, epochs=1)
    found = _find(spec, encode, tmp_path, 20)
    assert (tmp_path / "word2vec.txt").is_file()
    assert "cash" in found["money"]
    assert found == _find(spec, encode, tmp_path, 20)
    with pytest.raises(DataError, match=r"none\.txt"):
        _find(TrainedVectors(corpus=("none.txt",)), encode, tmp_path)


def test_words_are_counted() -> None:
    assert count_words(["pay, Pay 5", "`pay`"]) == {"pay": 1}  # the second is a name by its capital
