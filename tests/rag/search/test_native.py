"""The kernels are there or there is a reason; what is handed to them is one block of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.rag.search.native import library, pointer, top


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    library.cache_clear()


def test_without_a_compiler_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert library() == (None, "there is no C compiler (gcc)")
    library.cache_clear()


def test_what_cannot_be_compiled_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", "false")  # a program that fails
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found, reason = library()
    assert found is None
    assert "could not be compiled" in reason
    library.cache_clear()


def test_they_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_KERNELS", "off")
    assert library() == (None, "LUTHIER_KERNELS is off")
    library.cache_clear()


def test_an_array_with_gaps_is_refused() -> None:
    numbers = np.arange(10)
    assert pointer(None) is None
    assert pointer(numbers[2:]) == (pointer(numbers) or 0) + 2 * numbers.itemsize
    with pytest.raises(ValueError, match="contiguous"):
        pointer(numbers[::2])


def test_the_best_come_first_and_equal_ones_in_their_order() -> None:
    scores = np.array([1.0, 3.0, np.nan, 3.0, 2.0], np.float32)
    rows, best = top(scores, np.array([2, 4, 5, 7, 9], np.int32), 3)
    assert rows.tolist() == [4, 7, 9]
    assert best.tolist() == [3.0, 3.0, 2.0]
    assert not len(top(scores, np.arange(5, dtype=np.int32), 0)[0])
