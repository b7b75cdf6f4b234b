"""Every kind of source can be read and digested through the one front."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, get_args

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
        import pyarrow as pa
        import pyarrow.parquet as pq

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
