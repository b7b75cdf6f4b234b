"""Vectors on the way into a store survive a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import StoreError
from luthier.rag.stores._draft import Draft, key_of


def _keys(count: int) -> list[bytes]:
    return [key_of("t", f"text {i}") for i in range(count)]


def test_vectors_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    draft, keys = Draft(tmp_path / "v.bin"), _keys(5)
    assert len(draft) == 0
    draft.add(keys[:2], vectors[:2])
    draft.add(keys[2:], vectors[2:])
    for one in (draft, Draft(tmp_path / "v.bin")):
        assert len(one) == 5
        assert np.array_equal(one.vectors([keys[4], keys[0]]), vectors[[4, 0]])
        assert keys[3] in one
        assert key_of("", "t text 3") not in one
    draft.remove()
    assert not (tmp_path / "v.bin").exists()
    assert keys[3] not in draft


@pytest.mark.parametrize("lost", range(1, 70, 4))
def test_half_a_record_is_cut_off(tmp_path: Path, lost: int) -> None:
    """A kill may stop the writing at any byte: what was whole before stays."""
    path, keys = tmp_path / "v.bin", _keys(3)
    vectors = np.eye(3, dtype=np.float32)
    Draft(path).add(keys[:2], vectors[:2])
    whole = path.stat().st_size
    Draft(path).add(keys[2:], vectors[2:])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(max(size - lost, 0))
    again = Draft(path)
    assert len(again) == max(0, (path.stat().st_size - 12) // 28)
    assert len(again) >= (2 if size - lost >= whole else 0)
    again.add(keys[2:], vectors[2:])
    assert np.array_equal(Draft(path).vectors([keys[2]]), vectors[2:])


def test_another_dimension_is_refused(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "v.bin")
    draft.add(_keys(1), np.ones((1, 3), np.float32))
    with pytest.raises(StoreError, match="4 numbers after some of 3"):
        draft.add(_keys(1), np.ones((1, 4), np.float32))


def test_titles_and_texts_are_not_mixed_up() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("a\n", "b") != key_of("a", "\nb")
    assert key_of("\ud800", "") != key_of("", "")
