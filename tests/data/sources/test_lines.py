"""Lines of text taken apart by a pattern."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.lines import LinesSource, read_lines
from luthier.data.sources.raw import Raw

TREC = r"(?P<label>\w+):\w+ (?P<text>.+)"


def _read(folder: Path, data: bytes, pattern: str = TREC) -> tuple[list[Raw], Ledger]:
    (folder / "t.txt").write_bytes(data)
    ledger, source = Ledger(), LinesSource(path="t.txt", pattern=pattern)
    return list(read_lines(source, folder, ledger, Quiet())), ledger


def test_named_groups_are_columns(tmp_path: Path) -> None:
    rows, ledger = _read(tmp_path, b"LOC:city Where is Oslo ?\r\n\nno label\nHUM:ind Who ?\n")
    assert [(r.values, r.origin) for r in rows] == [
        ({"label": "LOC", "text": "Where is Oslo ?"}, "t.txt:1"),
        ({"label": "HUM", "text": "Who ?"}, "t.txt:4"),
    ]
    assert [(e.reason, e.origin, e.detail) for e in ledger.entries] == [
        ("line does not fit the pattern", "t.txt:3", "no label")
    ]


def test_bad_bytes(tmp_path: Path) -> None:
    rows, ledger = _read(tmp_path, "LOC:city é ?\n".encode() + b"LOC:city \xff ?\n")
    assert (len(rows), ledger.reasons()) == (1, {"bytes that are not text": 1})


@pytest.mark.parametrize("pattern", ["(", "no groups", "(unnamed) .*"])
def test_patterns_that_make_no_sense(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"pattern|regular expression"):
        LinesSource(path="t.txt", pattern=pattern)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        _read(tmp_path, b"\n")
    with pytest.raises(DataError, match="no columns named"):
        _read(tmp_path, b"x\n", "(?P<other>.*)")
