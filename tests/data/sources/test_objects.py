"""Each kind of file an object may be is read by its own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources._objects import ObjectsSpec, read_rows

SPEC: TypeAdapter[Any] = TypeAdapter(ObjectsSpec)
ROW = {"question": "Where?", "answer": "Here."}
EXTRA: dict[str, dict[str, str]] = {"lines": {"pattern": r"(?P<question>.*)\t(?P<answer>.*)"}}
KINDS = ("csv", "excel", "json", "jsonl", "lines", "parquet")


def write(kind: str, path: Path) -> None:
    match kind:
        case "csv":
            path.write_text("question,answer\nWhere?,Here.\n")
        case "excel":
            book = openpyxl.Workbook()
            for line in (list(ROW), list(ROW.values())):
                book.active.append(line)
            book.save(path)
        case "json":
            path.write_text(json.dumps([ROW]))
        case "jsonl":
            path.write_text(json.dumps(ROW))
        case "lines":
            path.write_text("Where?\tHere.\n")
        case "parquet":
            pq.write_table(pa.Table.from_pylist([ROW]), path)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{'xlsx' if kind == 'excel' else kind}"
    write(kind, path)
    form = SPEC.validate_json(json.dumps({"kind": kind, **EXTRA.get(kind, {})}))
    (row,) = read_rows(form, path, Ledger(), Quiet())
    assert row.values == ROW
    assert row.origin.startswith(f"{path.name}:")


@pytest.mark.parametrize("kind", [*KINDS, "text"])
def test_a_path_is_the_buckets_business(kind: str) -> None:
    path = {"paths": ["a"]} if kind == "text" else {"path": "a"}
    with pytest.raises(ValidationError, match="leave it out here"):
        SPEC.validate_json(json.dumps({"kind": kind, **EXTRA.get(kind, {}), **path}))
