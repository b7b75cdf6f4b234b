from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.annotate import _sheets
from luthier.data.annotate._filled import Scheme, Task

openpyxl = pytest.importorskip("openpyxl")

SCHEME = Scheme(("yes", "no"), "Say yes\nor no.")
TEXTS = ("=1+1", "'quoted", "+49 171", "two\nlines; and, more", "a\x07bell", "Grüße 🎻", "-x")
TASKS = [Task(f"r{i}", text, f"f.csv:{i}", "anna") for i, text in enumerate(TEXTS)]


def test_excel_holds_texts_not_formulas_and_offers_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "anna.xlsx"
    _sheets.write_xlsx(path, TASKS, SCHEME, Ledger())
    book = openpyxl.load_workbook(path)
    sheet = book["tasks"]
    assert {c.data_type for c in sheet["D"]} == {"s"}
    assert sheet["D2"].value == "=1+1"
    assert [c.value for c in book["guidelines"]["A"]] == ["Say yes", "or no."]
    assert [c.value for c in book["labels"]["A"]] == ["yes", "no"]
    choice = sheet.data_validations.dataValidation[0]
    assert (choice.formula1, str(choice.sqref)) == ("=labels!$A$1:$A$2", f"E2:E{len(TASKS) + 1}")


def test_csv_is_safe_to_open_and_comes_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    written = _sheets.write_csv(path, TASKS, SCHEME)
    assert [p.name for p in written] == ["anna.csv", "labels.txt", "guidelines.md"]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert ",'=1+1," in path.read_text(encoding="utf-8-sig")
    assert [f.text for f in _sheets.read_csv(path)] == list(TEXTS)


def test_excel_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "anna.xlsx"
    _sheets.write_xlsx(path, TASKS, SCHEME, Ledger())
    book = openpyxl.load_workbook(path)
    book["tasks"]["E2"], book["tasks"]["E3"] = "yes", 1.0
    book["tasks"]["G2"] = 2.5
    book.save(path)
    filled = list(_sheets.read_xlsx(path))
    assert [f.label for f in filled[:3]] == ["yes", "1", ""]
    assert (filled[0].seconds, filled[0].origin) == (2.5, "anna.xlsx:2")
    assert filled[4].text == "a bell"


def test_a_text_longer_than_a_cell_stands_in_the_ledger(tmp_path: Path) -> None:
    ledger = Ledger()
    long = Task("r", "x" * 32768, "f.csv:9", "anna")
    _sheets.write_xlsx(tmp_path / "a.xlsx", [long, TASKS[0]], SCHEME, ledger)
    assert ledger.reasons() == {"text too long for a cell": 1}
    assert [f.row_id for f in _sheets.read_xlsx(tmp_path / "a.xlsx")] == ["r0"]


def test_a_table_saved_with_semicolons_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text;LABEL;row_id\n"a, b";yes;r1\n;;\nc;no\n')
    filled = list(_sheets.read_csv(path))
    assert [(f.row_id, f.text, f.label, f.origin) for f in filled] == [
        ("r1", "a, b", "yes", "a.csv:2"),
        ("", "c", "no", "a.csv:4"),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1,2\n", "no column named row_id, text, label"),
        ('row_id,text,label\n"a,b', "not proper CSV"),
        (",,\n,,\n", "this table is empty"),
    ],
)
def test_bad_tables_say_what_is_wrong(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=told):
        list(_sheets.read_csv(tmp_path / "a.csv"))


def test_what_is_no_workbook_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK no workbook")
    with pytest.raises(DataError, match="no Excel workbook"):
        list(_sheets.read_xlsx(tmp_path / "a.xlsx"))


def test_the_adjudicator_sees_the_votes(tmp_path: Path) -> None:
    tasks = [Task("r", "text", "f:1", "judge", "anna: yes; bert: no")]
    _sheets.write_csv(tmp_path / "j.csv", tasks, SCHEME)
    head = (tmp_path / "j.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert head == "row_id,origin,annotator,text,votes,label,note,seconds"
