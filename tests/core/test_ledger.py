"""Rows in = rows out + rows in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import LeakageError
from luthier.core.ledger import Entry, Ledger, read_ledger


def filled() -> Ledger:
    ledger = Ledger()
    ledger.refuse("empty answer", "faq.csv:3")
    ledger.refuse("too long", "faq.csv:5", "x" * 500)
    ledger.refuse("empty answer", "faq.csv:9")
    ledger.change("spaces trimmed", "faq.csv:2")
    return ledger


def test_counts_by_reason_most_frequent_first() -> None:
    ledger = filled()
    assert ledger.refused == 3
    assert list(ledger.reasons().items()) == [("empty answer", 2), ("too long", 1)]
    assert ledger.reasons("changed") == {"spaces trimmed": 1}


def test_details_are_shortened() -> None:
    assert filled().entries[1].detail == "x" * 200


def test_round_trip(tmp_path: Path) -> None:
    ledger = filled()
    ledger.write(tmp_path)
    assert read_ledger(tmp_path).entries == ledger.entries
    Ledger().write(tmp_path)
    assert read_ledger(tmp_path).entries == []


def test_within_the_limit_is_no_error() -> None:
    filled().check(rows_in=6, rows_out=3, limit=0.5, stage="prepare")
    Ledger().check(rows_in=0, rows_out=0, limit=0.0, stage="prepare")


def test_past_the_limit_names_reasons_and_the_first_row() -> None:
    with pytest.raises(LeakageError) as caught:
        filled().check(rows_in=5, rows_out=2, limit=0.5, stage="prepare")
    assert str(caught.value).splitlines()[0] == (
        "faq.csv:3: prepare refused 3 of 5 rows, more than the limit of 50% "
        "(2 x empty answer, 1 x too long)"
    )


def test_the_first_refused_row_is_named_not_the_first_changed() -> None:
    ledger = Ledger()
    ledger.change("spaces trimmed", "a.csv:1")
    ledger.refuse("empty answer", "a.csv:2")
    with pytest.raises(LeakageError, match="empty answer"):
        ledger.check(rows_in=2, rows_out=1, limit=0.1, stage="collect")


def test_rows_that_vanish_are_a_defect() -> None:
    with pytest.raises(AssertionError, match="7 rows in, 3 out, 3 in the ledger"):
        filled().check(rows_in=7, rows_out=3, limit=1.0, stage="prepare")


def test_an_entry_says_what_and_where() -> None:
    assert filled().entries[0] == Entry("refused", "empty answer", "faq.csv:3", "")
