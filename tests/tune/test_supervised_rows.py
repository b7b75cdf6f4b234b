"""Words and their tokens; labels in order."""

from __future__ import annotations

import labelled_rows as made
import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.tune._supervised_rows import first_tokens, fitting_label, labels_among


def test_a_word_is_scored_by_its_first_token() -> None:
    spans = [(0, 0), (0, 3), (3, 6), (7, 9), (9, 10), (0, 0)]  # [CLS] play ##ing is ##! [SEP]
    assert first_tokens(spans, [(0, 6), (7, 10)]) == [(0, 1), (1, 3)]


def test_spaces_may_belong_to_tokens_and_words_may_be_cut_off() -> None:
    spans = [(0, 2), (2, 6)]  # byte-level tokens begin with the space
    assert first_tokens(spans, [(0, 2), (3, 6), (7, 9)]) == [(0, 0), (1, 1)]


def test_labels_are_sorted_and_must_be_enough() -> None:
    rows = [made.row(0, "x", "b"), made.row(1, "x", "a"), made.row(2, "x", "b")]
    assert labels_among(rows, lambda row: [row.label], least=2) == ("a", "b")
    with pytest.raises(DataError, match="2 labels"):
        labels_among(rows, lambda row: [row.label], least=3)
    with pytest.raises(DataError, match="one label only, 'b'; this objective takes 2") as caught:
        labels_among(rows[:1], lambda row: [row.label], least=2)
    assert "Add rows of other labels" in caught.value.mend
    with pytest.raises(DataError, match="no label") as caught:
        labels_among([], lambda row: [row.label], least=2)
    assert "none fell on the training side" in caught.value.mend


def test_rows_without_a_known_label_are_refused() -> None:
    ledger = Ledger()
    kept = [fitting_label(made.row(i, "x", label), {"a"}, ledger) for i, label in enumerate("ab")]
    assert kept == [True, False]
    assert ledger.entries[0].detail == "b"
