"""Hard negatives are the nearest that are no answer, and none that may be one."""

from __future__ import annotations

import labelled_rows as made
import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.tune.mining import hard_negatives, with_negatives


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(np.array(degrees, dtype=np.float32))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


PASSAGES = at(10, 12, 40, 60, 80, 170)


def test_the_nearest_come_first_and_near_ties_with_the_answer_are_left_out() -> None:
    found = hard_negatives(at(0), PASSAGES, [[0]], count=3)
    assert found == [[2, 3, 4]]  # 1 is nearly as near as the answer
    assert hard_negatives(at(0), PASSAGES, [[0]], count=2, margin=1.0) == [[1, 2]]


def test_no_answer_is_a_negative_and_few_passages_give_few() -> None:
    assert hard_negatives(at(0), PASSAGES, [[0, 2, 3]], count=9) == [[4, 5]]
    with pytest.raises(DataError, match="no passage"):
        hard_negatives(at(0), PASSAGES, [[]], count=1)


def test_hits_by_words_take_turns_with_the_nearest() -> None:
    found = hard_negatives(at(0), PASSAGES, [[0]], count=4, lexical=[[5, 0, 2]])
    assert found == [[5, 2, 3, 4]]


def test_rows_carry_their_negatives() -> None:
    (row,) = with_negatives([made.row(0, "x", "y")], ["a", "b", "c"], [[2, 0]])
    assert [m.content for m in row.rejected] == ["c", "a"]
