"""``vectors.npz``: read as written, the same bytes each time, and refused when damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.balance.vectors import VectorRows, encode_texts, read_vectors, write_vectors

ROWS = VectorRows(
    np.arange(6, dtype=np.float32).reshape(3, 2),
    ("pay", "pay", "fragen äß"),
    ("a", "", "b"),
    (("", ""), ("a", "b"), ("", "")),
)


def test_vectors_are_read_as_written(tmp_path: Path) -> None:
    write_vectors(tmp_path / "vectors.npz", ROWS)
    found = read_vectors(tmp_path / "vectors.npz")
    assert found.vectors.tolist() == ROWS.vectors.tolist()
    assert found.vectors.dtype == np.float32
    assert (found.labels, found.ids, found.parents) == (ROWS.labels, ROWS.ids, ROWS.parents)
    write_vectors(tmp_path / "again.npz", ROWS)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "vectors.npz").read_bytes()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    with pytest.raises(DataError, match="cannot read"):
        read_vectors(path)
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot read"):
        read_vectors(path)
    np.savez(path, vectors=ROWS.vectors)
    with pytest.raises(DataError, match="cannot read"):
        read_vectors(path)
    write_vectors(path, ROWS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="cannot read"):
        read_vectors(path)


def test_arrays_of_several_lengths_are_refused(tmp_path: Path) -> None:
    write_vectors(
        tmp_path / "vectors.npz", VectorRows(ROWS.vectors, ROWS.labels, ("a",), ROWS.parents)
    )
    with pytest.raises(DataError, match="not of one length"):
        read_vectors(tmp_path / "vectors.npz")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "vectors.npz", vectors=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot read"):
        read_vectors(tmp_path / "vectors.npz")


def test_each_text_is_encoded_once() -> None:
    seen: list[str] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    found = encode_texts(["a", "bb", "a", "ccc", "bb"], encode)
    assert found[:, 0].tolist() == [1, 2, 1, 3, 2]
    assert seen == ["a", "bb", "ccc"]
