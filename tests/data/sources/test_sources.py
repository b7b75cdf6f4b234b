"""Every kind of source can be read and digested through the one front."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example
from luthier.data.sources.sources import SourceSpec, read, source_digest

ADAPTER: TypeAdapter[Any] = TypeAdapter(SourceSpec)


def made(folder: Path, kind: str) -> dict[str, Any]:
    """Write a small source of a kind, and say how it is named."""
    if kind == "csv":
        (folder / "a.csv").write_text("question,answer\nWhy?,So.\n")
        return {"path": "a.csv"}
    if kind == "jsonl":
        (folder / "a.jsonl").write_text('{"question": "Why?", "answer": "So."}\n')
        return {"path": "a.jsonl"}
    if kind == "json":
        (folder / "a.json").write_text(json.dumps([{"question": "Why?", "answer": "So."}]))
        return {"path": "a.json"}
    if kind == "lines":
        (folder / "a.txt").write_text("Why? = So.\n")
        return {"path": "a.txt", "pattern": "(?P<question>.*) = (?P<answer>.*)"}
    if kind == "parquet":
        pq.write_table(pa.table({"question": ["Why?"], "answer": ["So."]}), folder / "a.parquet")
        return {"path": "a.parquet"}
    if kind == "excel":
        book = pytest.importorskip("openpyxl").Workbook()
        for row in (("question", "answer"), ("Why?", "So.")):
            book.active.append(row)
        book.save(folder / "a.xlsx")
        return {"path": "a.xlsx"}
    if kind == "sql":
        with sqlite3.connect(folder / "a.db") as database:
            database.execute("create table faq (question, answer)")
            database.execute("insert into faq values ('Why?', 'So.')")
        database.close()
        return {"url": "sqlite:///a.db", "table": "faq"}
    if kind == "hub":
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_dict({"question": ["Why?"], "answer": ["So."]}).save_to_disk(
            folder / "hub"
        )
        return {"name": "hub", "split": "train"}
    if kind == "text":
        (folder / "a.md").write_text("The shop opens at nine every day but Sunday.\n")
        return {"paths": ["a.md"]}
    assert kind == "pydoc"
    return {"packages": ["textwrap"]}


def kinds() -> list[str]:
    (union, *_) = get_args(SourceSpec)
    return [get_args(one.model_fields["kind"].annotation)[0] for one in get_args(union)]


def test_all_kinds_are_known_here() -> None:
    assert set(kinds()) == {
        "csv", "excel", "hub", "json", "jsonl", "lines", "parquet", "pydoc", "s3", "sql", "text",
        "web",
    }  # fmt: skip


@pytest.mark.parametrize("kind", sorted(set(kinds()) - {"web", "s3"}))  # these have tests there
def test_a_source_is_read_and_its_digest_follows_its_content(kind: str, tmp_path: Path) -> None:
    source = ADAPTER.validate_json(json.dumps({"kind": kind, **made(tmp_path, kind)}))
    ledger = Ledger()
    records = list(read(source, tmp_path, ledger, Quiet())[0])
    assert ledger.refused == 0 or kind == "pydoc"
    if kind in ("text", "pydoc"):
        assert all(isinstance(r, Document) for r in records)
        assert records
    else:
        (row,) = records
        assert isinstance(row, Example)
        assert (row.question, row.answer) == ("Why?", "So.")
    before = source_digest(source, tmp_path)
    assert before == source_digest(source, tmp_path)
    if kind in ("csv", "jsonl", "text", "lines"):
        path = next(p for p in tmp_path.iterdir() if p.is_file())
        path.write_text(path.read_text().replace("W", "w").replace("shop", "store"))
        assert before != source_digest(source, tmp_path)


TYPED: dict[str, Any] = {
    "whole": 3,
    "real": 2.5,
    "gaps": 3.0,
    "truth": True,
    "day": dt.date(2026, 11, 22),
    "price": Decimal("2.50"),
    "nested": [{"a": 1}],
}
SAID = {
    "whole": "3", "real": "2.5", "gaps": "3", "truth": "true", "day": "2026-11-22",
    "price": "2.50",
}  # fmt: skip
LACKING = {
    "json": {"day", "price"},
    "jsonl": {"day", "price"},
    "excel": {"price"},
    "sql": {"price"},
}


def typed(folder: Path, kind: str) -> dict[str, Any]:
    """Write one row with a column of each type that a kind knows, and say how it is named."""
    plain = {k: v for k, v in TYPED.items() if k not in ("day", "price")}
    if kind == "json":
        (folder / "a.json").write_text(json.dumps([plain]))
        return {"path": "a.json"}
    if kind == "jsonl":
        (folder / "a.jsonl").write_text(json.dumps(plain))
        return {"path": "a.jsonl"}
    if kind == "parquet":
        table = pa.table({k: [v] for k, v in TYPED.items()})
        pq.write_table(table.append_column("short", pa.array([0.1], pa.float32())), folder / "a.pq")
        return {"path": "a.pq"}
    if kind == "excel":
        book = pytest.importorskip("openpyxl").Workbook()
        flat = {k: v for k, v in TYPED.items() if k not in ("nested", "price")}
        for row in (list(flat), list(flat.values())):
            book.active.append(row)
        book.save(folder / "a.xlsx")
        return {"path": "a.xlsx"}
    if kind == "hub":
        datasets = pytest.importorskip("datasets")
        features = datasets.Features(
            {
                "text": datasets.Value("string"),
                "topic": datasets.ClassLabel(names=["tea", "coffee"]),
                "short": datasets.Value("float32"),
            }
        )
        rows = datasets.Dataset.from_dict({"text": ["t"], "topic": [1], "short": [0.1]}, features)
        typed = datasets.Dataset.from_dict({k: [v] for k, v in TYPED.items()})
        datasets.concatenate_datasets([rows, typed], axis=1).save_to_disk(folder / "hub")
        return {"name": "hub"}
    assert kind == "sql"
    with sqlite3.connect(folder / "a.db") as database:
        database.execute("create table a (whole, real real, gaps real, truth, day)")
        database.execute("insert into a values (3, 2.5, 3.0, 'true', '2026-11-22')")
    database.close()
    return {"url": "sqlite:///a.db", "table": "a"}


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet", "excel", "hub", "sql"])
def test_numbers_truth_values_and_dates_become_text_alike(kind: str, tmp_path: Path) -> None:
    where = {"kind": kind, **typed(tmp_path, kind)}

    def one(**columns: str) -> tuple[list[Any], Ledger]:
        source, ledger = ADAPTER.validate_json(json.dumps({**where, **columns})), Ledger()
        return list(read(source, tmp_path, ledger, Quiet())[0]), ledger

    for column in SAID.keys() - LACKING.get(kind, set()):
        (asked,), _ = one(question=column, answer=column)
        (labelled,), _ = one(text="whole", label=column)
        (document,), _ = one(text=column)
        assert {asked.question, asked.answer, labelled.label, document.text} == {SAID[column]}
        assert labelled.question == "3"
    if kind in ("parquet", "hub"):
        assert one(text="short")[0][0].text == "0.1"
    if kind == "hub":
        assert one(text="text", label="topic")[0][0].label == "coffee"
    if kind not in ("excel", "sql"):
        rows, ledger = one(text="nested")
        assert (rows, ledger.entries[0].detail) == ([], "text is list, not text")
