"""JSON files that are, or hold, one list of rows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.json import JsonSource, read_json
from luthier.data.sources.raw import Raw


def _read(folder: Path, data: bytes | str, **told: object) -> tuple[list[Raw], Ledger]:
    source = JsonSource.model_validate({"path": "d.json", **told})
    (folder / source.path).write_bytes(data.encode() if isinstance(data, str) else data)
    ledger = Ledger()
    return list(read_json(source, folder, ledger, Quiet())), ledger


def test_one_list(tmp_path: Path) -> None:
    rows, ledger = _read(tmp_path, '\ufeff[{"a": 1},\n 5, {"a": "ü"}] \n')
    assert [(r.values, r.origin) for r in rows] == [
        ({"a": 1}, "d.json:[0]"),
        ({"a": "ü"}, "d.json:[2]"),
    ]
    assert [(e.reason, e.origin) for e in ledger.entries] == [("not a JSON object", "d.json:[1]")]


def test_a_list_under_a_key_with_rows_that_are_lists(tmp_path: Path) -> None:
    data = {"val": [["no", "x"]], "train": [["hi", "greet"], ["odd"], {"text": "t", "label": "l"}]}
    rows, ledger = _read(
        tmp_path, gzip.compress(json.dumps(data).encode()), path="d.json.gz", records="train",
        columns=("text", "label"),
    )  # fmt: skip
    assert [(r.values, r.origin) for r in rows] == [
        ({"text": "hi", "label": "greet"}, "d.json.gz:train[0]"),
        ({"text": "t", "label": "l"}, "d.json.gz:train[2]"),
    ]
    assert [(e.reason, e.detail) for e in ledger.entries] == [
        ("wrong number of columns", "1, not 2")
    ]


def test_lists_within_lists(tmp_path: Path) -> None:
    data = {"data": [{"p": [{"c": 1}, {"c": 2}]}, {"p": []}, {"q": 3}], "version": "1"}
    rows, _ = _read(tmp_path, json.dumps(data), records="data.p")
    assert [(r.values, r.origin) for r in rows] == [
        ({"c": 1}, "d.json:data[0].p[0]"),
        ({"c": 2}, "d.json:data[0].p[1]"),
        ({"q": 3}, "d.json:data[2]"),
    ]


def test_other_encodings(tmp_path: Path) -> None:
    for encoding in ("utf-16", "cp1252"):
        rows, _ = _read(tmp_path, '[{"text": "Käse und Brot"}]'.encode(encoding))
        assert rows[0].values == {"text": "Käse und Brot"}


@pytest.mark.parametrize(
    ("data", "told", "said"),
    [
        ("", {}, "empty"),
        (" \n", {}, "empty"),
        ('[{"a": 1},\n{"a": }]', {}, "not proper JSON"),
        ('[{"a": 1}', {}, "not proper JSON"),
        ('[{"a": "caf', {}, "not proper JSON"),
        ('[{"a": 1}] []', {}, "not proper JSON: more follows"),
        ('{"a": 1}\n{"a": 2}', {"records": "rows"}, "no list stands under 'rows'"),
        ('{"rows": [1], "other": 2}', {}, "not a list of rows"),
        ('{"rows": 3}', {"records": "rows"}, "no list stands under 'rows'"),
        ("17", {}, "not a list of rows"),
        ("[" * 100_000, {}, "nested too deeply"),
        (b'[{"a": "\xff \xc3\xa9"}]', {}, "not UTF-8"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, data: str | bytes, told: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        _read(tmp_path, data, **told)


def test_keys_and_lines_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        _read(tmp_path, '{"train": [], "test": []}', records="val")
    assert "The file has: 'train', 'test'." in caught.value.mend
    with pytest.raises(DataError) as caught:
        _read(tmp_path, "[\n1,\n2,\n3 4]")
    assert caught.value.where.endswith("d.json:4")
