"""The books go to disk as they come, and still balance."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import LeakageError
from luthier.core.ledger import Entry, read_ledger
from luthier.data.clean._books import Books

LINES = [Entry("refused", "too short", "a:1"), Entry("changed", "tidied", "a:2", "why")]


def test_lines_are_written_and_counted(tmp_path: Path) -> None:
    with Books(tmp_path) as books:
        books.add(LINES)
        books.add([])
        books.add(LINES[:1])
    assert read_ledger(tmp_path).entries == [*LINES, LINES[0]]
    assert (books.refused, books.reasons()) == (2, {"too short": 2})
    assert books.reasons("changed") == {"tidied": 1}
    books.check(rows_in=4, rows_out=2, limit=0.5, stage="clean")


def test_too_many_refusals_and_lost_rows_are_errors(tmp_path: Path) -> None:
    with Books(tmp_path) as books:
        books.add(LINES)
    with pytest.raises(LeakageError, match=r"1 of 2 rows.*1 x too short .a:1.") as caught:
        books.check(rows_in=2, rows_out=1, limit=0.4, stage="clean")
    assert "`data.clean.max_refused` to 0.5 " in caught.value.mend
    with pytest.raises(AssertionError, match="3 rows in, 1 out"):
        books.check(rows_in=3, rows_out=1, limit=1.0, stage="clean")
