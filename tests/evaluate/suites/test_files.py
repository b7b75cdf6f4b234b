"""Rows are read with the place they stand at, whatever the file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luthier.core.errors import DataError
from luthier.evaluate.suites.files import read_rows


def test_every_form_gives_the_same_rows(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": 'say "hi",\nthen go'}, {"id": "b", "text": "é"}]
    lines = "".join(json.dumps(row) + "\n\n" for row in rows)
    (tmp_path / "r.jsonl").write_text(lines, "utf-8")
    (tmp_path / "r.json").write_text(json.dumps({"rows": rows}), "utf-8")
    (tmp_path / "r.csv").write_text('id,text\na,"say ""hi"",\nthen go"\nb,é\n', "utf-8-sig")
    (tmp_path / "r.tsv").write_text('id\ttext\na\t"say ""hi"",\nthen go"\nb\té\n', "utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "r.parquet")
    for suffix in ("jsonl", "json", "csv", "tsv", "parquet"):
        found = list(read_rows(tmp_path / f"r.{suffix}"))
        assert [row for _, row in found] == rows, suffix
        assert found[0][0].startswith(f"r.{suffix}:")
    assert [origin for origin, _ in read_rows(tmp_path / "r.jsonl")] == ["r.jsonl:1", "r.jsonl:3"]


def test_texts_and_folders(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("second", "utf-8")
    (tmp_path / "a.md").write_text("first", "utf-8")
    assert [row["text"] for _, row in read_rows(tmp_path)] == ["first", "second"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.xml", b"<a/>", "not read from '.xml' files"),
        ("r.jsonl", b"{\n", "no JSON"),
        ("r.jsonl", b"[1]\n", "a row is a JSON object"),
        ("r.json", b'{"a": 1}', "a list of objects"),
        ("r.json", b"{", "no JSON"),
        ("r.csv", b"a\n\xff\n", "cannot be read"),
        ("r.parquet", b"PAR1", "no Parquet"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(read_rows(tmp_path / name))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_rows(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="no file of rows in this folder"):
        list(read_rows(tmp_path))
