"""Parquet files, with the names of classes, and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources import parquet
from luthier.data.sources.dialects import take
from luthier.data.sources.parquet import ParquetSource, classes_of, read_parquet
from luthier.data.sources.raw import Raw

FEATURES = {
    "label": {"names": ["ham", "spam"], "_type": "ClassLabel"},
    "text": {"dtype": "string", "_type": "Value"},
}
HUB = {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}


def _write(
    folder: Path, rows: dict[str, list[Any]], metadata: dict[bytes, bytes] | None = None
) -> Path:
    table = pa.table(rows)
    pq.write_table(table.replace_schema_metadata(metadata), folder / "d.parquet", row_group_size=2)
    return folder


def _read(folder: Path) -> list[Raw]:
    return list(read_parquet(ParquetSource(path="d.parquet"), folder, Ledger(), Quiet()))


def test_rows_are_numbered_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    rows = _read(_write(tmp_path, {"text": list("abcde")}))
    assert [(r.values["text"], r.origin) for r in rows] == [
        (text, f"d.parquet:{number}") for number, text in enumerate("abcde", start=1)
    ]


def test_class_names_come_from_the_metadata(tmp_path: Path) -> None:
    rows = _read(_write(tmp_path, {"text": ["a", "b", "c"], "label": [1, -1, None]}, HUB))
    assert [r.values["label"] for r in rows] == ["spam", None, None]
    found = list(take(rows, ParquetSource(path="d.parquet"), Ledger()))
    assert [type(f).__name__ for f in found] == ["Example", "Document", "Document"]
    assert [r.values["label"] for r in _read(_write(tmp_path, {"text": ["a"], "label": [1]}))] == [
        1
    ]


@pytest.mark.parametrize(
    "metadata", [None, {}, {b"huggingface": b"{"}, {b"huggingface": b"[]"}, {b"huggingface": b"{}"}]
)
def test_other_metadata_tells_nothing(metadata: dict[bytes, bytes] | None) -> None:
    assert classes_of(metadata) == {}


def test_conversations_with_tools(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "q", "tool_calls": None},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "7", "tool_calls": None},
        {"role": "assistant", "content": "a", "tool_calls": None},
    ]
    rows = _read(_write(tmp_path, {"messages": [turns]}))
    ledger = Ledger()
    (found,) = take(rows, ParquetSource(path="d.parquet"), ledger)
    assert not ledger.entries
    assert [m.tool_calls for m in found.messages] == ["", json.dumps([call]), "", ""]  # type: ignore[union-attr]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = _write(tmp_path, {"text": ["a" * 1000] * 9}) / "d.parquet"
    whole = path.read_bytes()
    for broken in (b"", b"text\na\n", whole[:-20], whole[:4] + b"\xff" * 60 + whole[64:]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="cannot read this Parquet file"):
            _read(tmp_path)
    with pytest.raises(DataError, match="no columns named"):
        _read(_write(tmp_path, {"frage": ["a"]}))
    assert _read(_write(tmp_path, {"text": []})) == []
