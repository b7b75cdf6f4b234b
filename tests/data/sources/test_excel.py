"""Workbooks: the rows of a sheet with the numbers a person sees beside them."""

from __future__ import annotations

import datetime as dt
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.data.sources.excel import ExcelSource, read_excel
from luthier.data.sources.raw import Raw

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")


def _write(folder: Path, sheets: dict[str, list[list[Any]]], skip: int = 0) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for number, row in enumerate(rows, start=1 + skip):
            for column, value in enumerate(row, start=1 + skip):
                sheet.cell(number, column, value)
    book.save(folder / "b.xlsx")


def _read(folder: Path, **told: Any) -> list[Raw]:
    source = ExcelSource(path="b.xlsx", **told)
    return list(read_excel(source, folder, Ledger(), Quiet()))


@pytest.mark.parametrize("skip", [0, 3])
def test_rows_and_their_numbers(tmp_path: Path, skip: int) -> None:
    rows: list[list[Any]] = [
        ["question", "answer", None],
        ["q", 17, "note"],
        [],
        [" ", None],
        ["a\nb", 0.5, None],
    ]
    _write(tmp_path, {"Sheet1": rows}, skip)
    assert [(r.origin, r.values) for r in _read(tmp_path)] == [
        (f"b.xlsx:Sheet1!{skip + 2}", {"question": "q", "answer": "17"}),
        (f"b.xlsx:Sheet1!{skip + 5}", {"question": "a\nb", "answer": "0.5"}),
    ]


def test_values_as_a_person_writes_them(tmp_path: Path) -> None:
    cells = [
        dt.datetime.fromisoformat("2026-11-22T03:04:05"),
        dt.date(2026, 11, 22),
        True,
        -3,
        1e20,
        "007",
    ]
    _write(tmp_path, {"S": [["text", "b", "c", "d", "e", "f"], cells]})
    (row,) = _read(tmp_path)
    assert list(row.values.values()) == [
        "2026-11-22 03:04:05",
        "2026-11-22",
        True,
        "-3",
        "100000000000000000000",
        "007",
    ]


def test_sheets_are_found_by_name(tmp_path: Path) -> None:
    _write(tmp_path, {"one": [["text"], ["1"]], "two": [["text"], ["2"]]})
    assert [r.values["text"] for r in _read(tmp_path)] == ["1"]
    assert [r.origin for r in _read(tmp_path, sheet="two")] == ["b.xlsx:two!2"]
    with pytest.raises(DataError, match="no sheet is called 'three'") as caught:
        _read(tmp_path, sheet="three")
    assert "'one', 'two'" in caught.value.mend


def test_workbooks_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    _write(tmp_path, {"S": [["text"], *[[f"row {i}"] for i in range(500)]]})
    whole = path.read_bytes()
    for broken in (b"", b"text\na\n", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="cannot read this workbook"):
            _read(tmp_path)
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("a.txt", "no workbook")
    with pytest.raises(DataError, match="cannot read this workbook"):
        _read(tmp_path)
    _write(tmp_path, {"S": []})
    with pytest.raises(DataError, match="empty"):
        _read(tmp_path)
    _write(tmp_path, {"S": [["text"]]})
    assert _read(tmp_path) == []
    _write(tmp_path, {"S": [["frage"], ["x"]]})
    with pytest.raises(DataError, match="no columns named") as caught:
        _read(tmp_path)
    assert caught.value.where == f"{path}:S!1"


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, {"S": [["text"]]})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ResourceError, match="python-calamine"):
        _read(tmp_path)


def test_a_damaged_sheet(tmp_path: Path) -> None:
    _write(tmp_path, {"S": [["text"], ["x"]]})
    path = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:-30] + b"<oops"
    with zipfile.ZipFile(path, "w") as book:
        for name, data in parts.items():
            book.writestr(name, data)
    with pytest.raises(DataError):
        _read(tmp_path)


MANIFEST = '<manifest xmlns="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'


def test_sheets_of_libreoffice(tmp_path: Path) -> None:
    def row(*texts: str) -> str:
        cells = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{text}</text:p>'
            "</table:table-cell>"
            for text in texts
        )
        return f"<table:table-row>{cells}</table:table-row>"

    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="T">{row("text", "label")}{row("hi", "greet")}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "b.ods", "w") as book:
        book.writestr("mimetype", kind)
        book.writestr("META-INF/manifest.xml", MANIFEST)
        book.writestr("content.xml", content)
    (raw,) = read_excel(ExcelSource(path="b.ods"), tmp_path, Ledger(), Quiet())
    assert (raw.origin, raw.values) == ("b.ods:T!2", {"text": "hi", "label": "greet"})
