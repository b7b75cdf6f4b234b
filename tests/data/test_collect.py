"""Sources become tables record by record; the books balance, and a name comes once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from luthier.core.errors import DataError, LeakageError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, read_table
from luthier.data.collect import DOCUMENTS, ROWS, collect
from luthier.data.sources.csv import CsvSource
from luthier.data.sources.jsonl import JsonlSource
from luthier.data.sources.text import TextSource

CSV = CsvSource(path="faq.csv")


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_documents_and_rows_of_several_sources(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", "question,answer\nWhy?,So.\nHow?,\n")
    write(tmp_path, "more.jsonl", '{"text": "A long text about arching."}\n{"prompt": 1}\n')
    write(tmp_path, "shop.md", "# Shop\n\nThe shop opens at nine every day but Sunday.\n")
    sources = (CSV, JsonlSource(path="more.jsonl"), TextSource(paths=("*.md",)))
    summary = collect(sources, tmp_path, tmp_path, Quiet())
    documents = read_table(tmp_path / DOCUMENTS, Document)
    rows = read_table(tmp_path / ROWS, Example)
    assert [d.origin for d in documents] == ["more.jsonl:1", "shop.md:1"]
    assert [(r.origin, r.answer) for r in rows] == [("faq.csv:2", "So.")]
    assert (summary["documents"], summary["rows"], summary["refused"]) == (2, 1, 2)
    assert read_ledger(tmp_path).refused == 2


def test_a_name_comes_once(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", "question,answer\nWhy?,So.\n")
    summary = collect((CSV, CSV), tmp_path, tmp_path, Quiet())
    assert summary["rows"] == 1
    assert summary["reasons"] == {"name already taken in another source": 1}


def test_ids_of_two_sources_that_meet_are_an_error_and_no_row_is_lost(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", '{"id": 1, "text": "A text about arching."}\n')
    write(tmp_path, "b.jsonl", '{"id": 1, "text": "A text about bridges."}\n')
    both = [JsonlSource(path=name, id_field="id") for name in ("a.jsonl", "b.jsonl")]
    with pytest.raises(DataError, match=r"the id '1': a\.jsonl#1 and b\.jsonl#1"):
        collect(both, tmp_path, tmp_path, Quiet())
    one = (both[0], JsonlSource(path="b.jsonl"))
    assert collect(one, tmp_path, tmp_path, Quiet())["documents"] == 2


def test_nothing_usable(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", "question,answer\nWhy?,\n")
    with pytest.raises(DataError, match="no usable row"):
        collect((CSV,), tmp_path, tmp_path, Quiet(), max_refused=1.0)
    with pytest.raises(LeakageError, match="1 of 1"):
        collect((CSV,), tmp_path, tmp_path, Quiet())


CELLS = st.sampled_from(["", "NA", "why", "so", "  ", '{"a": 1}'])


@given(st.lists(st.dictionaries(st.sampled_from(["question", "answer", "text"]), CELLS)))
def test_rows_in_are_rows_out_and_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("c")
    write(folder, "r.jsonl", "".join(f"{json.dumps(r)}\n" for r in [*rows, {"text": "one more"}]))
    summary = collect((JsonlSource(path="r.jsonl"),), folder, folder, Quiet(), max_refused=1.0)
    assert summary["documents"] + summary["rows"] + summary["refused"] == len(rows) + 1


def test_missing_values_are_filled_before_rows_are_taken(tmp_path: Path) -> None:
    write(tmp_path, "faq.csv", "question,answer\nWhy?,NA\nHow?,So.\n")
    source = CsvSource.model_validate(
        {"path": "faq.csv", "missing": {"answer": {"kind": "constant", "value": "Unknown."}}}
    )
    summary = collect((source,), tmp_path, tmp_path, Quiet())
    assert [r.answer for r in read_table(tmp_path / ROWS, Example)] == ["Unknown.", "So."]
    assert sum(summary["changed"].values()) == 1
