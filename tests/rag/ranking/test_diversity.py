"""Passages that say the same go back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from luthier.rag.ranking.diversity import bags, diverse

EYE = np.eye(4, dtype=np.float32)


def test_a_copy_goes_behind_what_is_new() -> None:
    vectors = EYE[[0, 0, 1]]
    scores = np.array([1.0, 0.9, 0.5])
    assert diverse(scores, vectors, 0.5, 3) == [0, 2, 1]
    assert diverse(scores, vectors, 0.0, 3) == [0, 1, 2]


@given(st.lists(st.integers(0, 3), max_size=8), st.floats(0, 1), st.integers(0, 9))
def test_an_order_of_each_once_that_begins_with_the_best(
    like: list[int], diversity: float, k: int
) -> None:
    scores = np.linspace(1, 0, len(like)) if like else np.empty(0)
    order = diverse(scores, EYE[like] if like else EYE[:0], diversity, k)
    assert len(order) == len(set(order)) == min(k, len(like))
    if order and diversity < 1:
        assert order[0] == 0


def test_words_stand_in_for_vectors() -> None:
    found = bags(["red apples", "apples, red!", "blue sky", ""])
    alike = found @ found.T
    assert alike[0, 1] > 0.999
    assert alike[0, 2] == 0
    assert alike[3].tolist() == [0, 0, 0, 0]
    assert bags([]).shape == (0, 1)
