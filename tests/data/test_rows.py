"""CSV and JSON Lines as ``prepare`` reads them: all rows at once."""

from __future__ import annotations

from pathlib import Path

from luthier.core.ledger import Ledger
from luthier.data.rows import CsvSource, JsonlSource, read_csv, read_jsonl
from luthier.data.sources.raw import ConstantMissing


def test_tables_come_as_documents_and_examples(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\nq,1\nq,\n")
    source = CsvSource(path="a.csv", missing={"answer": ConstantMissing(value="none")})
    ledger = Ledger()
    documents, rows = read_csv(source, tmp_path, ledger)
    assert ([r.answer for r in rows], documents) == (["1", "none"], [])
    assert [e.action for e in ledger.entries] == ["changed"]


def test_json_lines_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "t"}\n{"question": "q", "answer": "a"}\n[]\n')
    ledger = Ledger()
    (document,), (row,) = read_jsonl(JsonlSource(path="a.jsonl"), tmp_path, ledger)
    assert (document.text, row.question, ledger.refused) == ("t", "q", 1)
