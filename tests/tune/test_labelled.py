"""What a classifier is trained on: rows or vectors, never those of another encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.core.records import Example, Message, Side, write_table
from luthier.data.balance.vectors import VectorRows, write_vectors
from luthier.setup.losses import Terms, write_losses
from luthier.tune._labelled import read_side, read_terms, read_training, targets_of


def encode(texts: Sequence[str]) -> np.ndarray:
    angles = np.array([sum(text.encode()) for text in texts], dtype=np.float32)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def row(text: str, label: str, side: Side) -> Example:
    turns = (Message("user", text), Message("assistant", label or "x"))
    return Example(text, turns, text, text, "", side=side, label=label)


ROWS = [
    row("one", "a", "train"),
    row("two", "b", "train"),
    row("free", "", "train"),
    row("three", "b", "test"),
]


def test_rows_are_encoded_side_by_side(tmp_path: Path) -> None:
    write_table(tmp_path / "examples.parquet", ROWS, Example)
    training = read_training(tmp_path, encode)
    assert training.labels == ("a", "b")
    assert np.array_equal(training.vectors, encode(["one", "two"]))
    assert read_side(tmp_path, "test", encode).labels == ("b",)
    assert read_side(tmp_path, "validation", encode).labels == ()
    assert read_terms(tmp_path) is None


def test_what_balancing_left_is_used(tmp_path: Path) -> None:
    write_table(tmp_path / "examples.parquet", ROWS, Example)
    vectors = np.concatenate([encode(["one", "two"]), [[0.6, 0.8]]]).astype(np.float32)
    parents = (("", ""), ("", ""), ("one", "one"))
    rows = VectorRows(vectors, ("a", "b", "a"), ("one", "two", ""), parents)
    write_vectors(tmp_path / "vectors.npz", rows)
    write_losses(tmp_path / "losses.json", Terms(("a", "b"), (1.0, 2.0)))
    training = read_training(tmp_path, encode)
    assert training.labels == ("a", "b", "a")
    assert np.array_equal(training.vectors, vectors)
    assert read_terms(tmp_path) == Terms(("a", "b"), (1.0, 2.0))


@pytest.mark.parametrize("turn", [lambda v: v[:, ::-1], lambda v: v.repeat(2, axis=1) / 2**0.5])
def test_vectors_of_another_encoder_are_refused(tmp_path: Path, turn: object) -> None:
    write_table(tmp_path / "examples.parquet", ROWS, Example)
    assert callable(turn)
    vectors = turn(encode(["one", "two"]))
    rows = VectorRows(vectors, ("a", "b"), ("one", "two"), (("", ""), ("", "")))
    write_vectors(tmp_path / "vectors.npz", rows)
    with pytest.raises(DataError, match="another encoder"):
        read_training(tmp_path, encode)


def test_one_label_is_too_few(tmp_path: Path) -> None:
    write_table(tmp_path / "examples.parquet", [ROWS[0]], Example)
    with pytest.raises(DataError, match="1 labels"):
        read_training(tmp_path, encode)


def test_rows_of_unknown_labels_are_set_aside() -> None:
    assert targets_of(["b", "x", "a"], ["a", "b"]) == ([0, 2], [1, 0])
