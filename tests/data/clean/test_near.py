"""Near-duplicates leave, the first one stays, and other labels are other cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.ledger import read_ledger
from luthier.core.records import Document, Example, Message, TableWriter, read_table
from luthier.data.clean._books import Books
from luthier.data.clean.near import NearSpec, Texts, without_near

LONG = "the quick brown fox jumps over the lazy dog and runs far away into the dark green forest"
TEXTS = [LONG, "something else is told here in quite a few words of its own", LONG + " again", LONG]


def _document(i: int, text: str) -> Document:
    return Document(f"d{i}", "t", text, f"o:{i}", "text", "g")


def _table(path: Path, rows: list[Document] | list[Example]) -> Path:
    with TableWriter(path, type(rows[0])) as writer:
        writer.write(rows[:2])
        writer.write(rows[2:])
    return path


def test_texts_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = _table(tmp_path / "t.parquet", [_document(i, t) for i, t in enumerate(TEXTS)])
    texts = Texts(path, Document, 4)
    assert list(texts) == TEXTS == texts[:]
    assert len(texts) == 4
    assert (texts[2], texts[-1], texts[1:3]) == (TEXTS[2], TEXTS[3], TEXTS[1:3])
    with pytest.raises(IndexError):
        texts[4]


def test_the_first_of_near_duplicates_stays(tmp_path: Path) -> None:
    path = _table(tmp_path / "t.parquet", [_document(i, t) for i, t in enumerate(TEXTS)])
    with Books(tmp_path) as books:
        left = without_near(path, Document, tmp_path / "out.parquet", NearSpec(), books)
    kept = read_table(tmp_path / "out.parquet", Document)
    assert [d.id for d in kept] == ["d0", "d1"]
    assert left == 2
    entries = read_ledger(tmp_path).entries
    assert [(e.reason, e.origin, e.detail) for e in entries] == [
        ("near-duplicate", "o:2", "o:0"),
        ("near-duplicate", "o:3", "o:0"),
    ]


def test_rows_with_another_label_stay(tmp_path: Path) -> None:
    rows = [
        Example(
            f"{i}",
            (Message("user", LONG), Message("assistant", label)),
            f"o:{i}",
            "g",
            "row",
            label=label,
        )
        for i, label in enumerate(["yes", "no", "yes"])
    ]
    path = _table(tmp_path / "t.parquet", rows)
    with Books(tmp_path) as books:
        without_near(path, Example, tmp_path / "out.parquet", NearSpec(), books)
    assert [r.id for r in read_table(tmp_path / "out.parquet", Example)] == ["0", "1"]
