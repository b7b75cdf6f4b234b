"""Every kind of source can be read and digested through the one front."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pydantic import TypeAdapter

from luthier.core.errors import DataError
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


JUNK = bytes(range(256)) * 9
KOI8 = "question,answer\nПочему,Потому.\n".encode("koi8-r")
LATIN = "Käse, Brot und sonst nicht viel, aber jeden Tag.".encode("latin-1")
OTHER = b"question,answer\nq\n"
GZ = gzip.compress(b'{"question": "q", "answer": "a"}\n' * 99, mtime=0)[:-12]
ZST = zstandard.compress(b'{"question": "q", "answer": "a"}\n' * 99)[:-5]

FAULTS: list[tuple[str, str, bytes | None, str]] = [
    ("csv", "a.csv", None, "No such file"),
    ("csv", "a.csv", b"", "this file is empty"),
    ("csv", "a.csv", JUNK, "no columns named"),
    ("csv", "a.csv", KOI8, "bytes that are not text"),
    ("csv", "a.csv", OTHER, "wrong number of columns"),
    ("csv", "a.tsv", OTHER.replace(b",", b"\t"), "wrong number of columns"),
    ("json", "a.json", None, "No such file"),
    ("json", "a.json", b"", "this file is empty"),
    ("json", "a.json", JUNK, "not UTF-8"),
    ("json", "a.json", b'[{"question": "q"', "not proper JSON"),
    ("json", "a.json", b"[3]", "not a JSON object"),
    ("jsonl", "a.jsonl", None, "No such file"),
    ("jsonl", "a.jsonl", b"", "this file is empty"),
    ("jsonl", "a.jsonl", JUNK, "bytes that are not text"),
    ("jsonl", "a.jsonl", b'{"question":', "not JSON"),
    ("jsonl", "a.jsonl", b"[3]", "not a JSON object"),
    ("lines", "a.txt", None, "No such file"),
    ("lines", "a.txt", b"", "this file is empty"),
    ("lines", "a.txt", JUNK, "bytes that are not text"),
    ("lines", "a.txt", b"no sign", "line does not fit the pattern"),
    ("parquet", "a.pq", None, "No such file"),
    ("parquet", "a.pq", b"", "cannot read this Parquet file"),
    ("parquet", "a.pq", JUNK, "cannot read this Parquet file"),
    ("excel", "a.xlsx", None, "No such file"),
    ("excel", "a.xlsx", b"", "cannot read this workbook"),
    ("excel", "a.xlsx", JUNK, "cannot read this workbook"),
    ("sql", "a.db", None, "no such database file"),
    ("sql", "a.db", b"", "no table named 'faq'"),
    ("sql", "a.db", JUNK, "file is not a database"),
    ("hub", "set/a.jsonl", None, "no such folder"),
    ("hub", "set/a.jsonl", b"", "it holds no rows"),
    ("hub", "set/a.jsonl", JUNK, "JSON parse error"),
    ("hub", "set/a.jsonl.gz", GZ, "Compressed file ended"),
    ("hub", "set/a.csv", KOI8, "can't decode byte"),
    ("hub", "set/a.csv", b"question,answer\nq\nq,a,b\n", "Expected 2 fields in line 3"),
    *((kind, f"a.{kind}.gz", GZ, "damaged or cut off") for kind in ("csv", "json", "jsonl")),
    *((kind, f"a.{kind}.zst", ZST, "damaged or cut off") for kind in ("csv", "json", "jsonl")),
    ("lines", "a.txt.gz", GZ, "damaged or cut off"),
    ("lines", "a.txt.zst", ZST, "damaged or cut off"),
    *(
        ("text", f"a{ending}", data, said)
        for ending in (".txt", ".md", ".rst", ".html")
        for data, said in (
            (None, "no text file matches"),
            (b"", "file without text"),
            (b" \n\n \n", "file without text"),
            (JUNK, "file is not UTF-8"),
            (LATIN, "file is not UTF-8"),
            (b"Too short.", "section too short"),
        )
    ),
    ("text", "a.html", b"<img src=x>", "file without text"),
    *(
        ("text", f"a{ending}", data, said)
        for ending in (".pdf", ".docx")
        for data, said in (
            (None, "no text file matches"),
            (b"", "file is damaged"),
            (JUNK, "file is damaged"),
        )
    ),
    *(
        ("text", f"a{ending}.gz", GZ, "file cannot be read")
        for ending in (".txt", ".md", ".html", ".pdf", ".docx")
    ),
]
# What refuses single rows or files; all else ends the run.
REFUSED = frozenset(
    [
        "bytes that are not text",
        "file cannot be read",
        "file is damaged",
        "file is not UTF-8",
        "file without text",
        "line does not fit the pattern",
        "not JSON",
        "not a JSON object",
        "section too short",
        "wrong number of columns",
    ]
)


@pytest.mark.parametrize(("kind", "name", "data", "said"), FAULTS)
def test_bad_input_is_told(
    kind: str, name: str, data: bytes | None, said: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    where: dict[str, dict[str, Any]] = {
        "lines": {"path": name, "pattern": "(?P<question>.*) = (?P<answer>.*)"},
        "hub": {"name": "./set"},
        "sql": {"url": f"sqlite:///{name}", "table": "faq"},
        "text": {"paths": [name]},
    }
    told = where.get(kind, {"path": name})
    source, ledger = ADAPTER.validate_json(json.dumps({"kind": kind, **told})), Ledger()
    if said in REFUSED:
        assert list(read(source, tmp_path, ledger, Quiet())[0]) == []
        assert said in ledger.reasons()
        return
    with pytest.raises(DataError) as caught:
        list(read(source, tmp_path, ledger, Quiet())[0])
    assert said in caught.value.what
    assert caught.value.where
    assert caught.value.mend
    if data is None:
        with pytest.raises(DataError):
            source_digest(source, tmp_path)
