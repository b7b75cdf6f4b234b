from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.annotate._filled import Scheme
from luthier.data.annotate.items import Item
from luthier.data.annotate.labels import Label, when
from luthier.data.annotate.tasks import (
    ENDINGS,
    Format,
    export_tasks,
    import_tasks,
    next_task,
    open_tasks,
)

PEOPLE = ("anna", "bert", "carl")
ITEMS = [Item(f"r{i}", f"text {i}", f"f.csv:{i}") for i in range(60)]
SCHEME = Scheme(("Yes", "No"), "Decide.")
AT = when("2026-01-01T00:00:00Z")


def test_each_row_goes_to_as_many_people_as_asked_for() -> None:
    tasks = open_tasks(ITEMS, [], PEOPLE, overlap=2, seed=1)
    assert set(Counter(t.row_id for who in PEOPLE for t in tasks[who]).values()) == {2}
    assert all(len(tasks[who]) > 25 for who in PEOPLE)
    assert all(t.origin for t in tasks["anna"])


def test_more_rows_move_nobodys_rows() -> None:
    few = open_tasks(ITEMS[:30], [], PEOPLE, overlap=2, seed=1)
    many = open_tasks(ITEMS, [], PEOPLE, overlap=2, seed=1)
    assert all(many[who][: len(few[who])] == few[who] for who in PEOPLE)


def test_labelled_rows_are_not_asked_again_and_passed_over_ones_go_to_another() -> None:
    first = {t.row_id for t in open_tasks(ITEMS, [], PEOPLE)["anna"]}
    done, passed = sorted(first)[:2]
    labels = [Label(done, "anna", "Yes", AT), Label(passed, "anna", "", AT)]
    tasks = open_tasks(ITEMS, labels, PEOPLE)
    rows = {who: {t.row_id for t in tasks[who]} for who in PEOPLE}
    assert not any(done in rows[who] for who in PEOPLE)
    assert passed not in rows["anna"]
    assert passed in rows["bert"] | rows["carl"]


def test_rows_that_their_source_labelled_are_nobodys_task() -> None:
    assert open_tasks([Item("r", "t", "f:1", "Yes")], [], ["anna"]) == {"anna": []}


def test_a_page_asks_for_one_row_after_the_other() -> None:
    labels: list[Label] = []
    while task := next_task(ITEMS[:7], labels, "bert", PEOPLE, overlap=3):
        labels.append(Label(task.row_id, "bert", "No", AT))
    assert [one.row_id for one in labels] == [i.id for i in ITEMS[:7]]
    with pytest.raises(DataError, match="no annotator"):
        next_task(ITEMS, [], "dora", PEOPLE)


@pytest.mark.parametrize(("people", "overlap"), [(("a",), 2), (("a", "a"), 1), (("../a",), 1)])
def test_impossible_assignments_are_refused(people: tuple[str, ...], overlap: int) -> None:
    with pytest.raises(DataError):
        open_tasks(ITEMS, [], people, overlap=overlap)


@pytest.mark.parametrize("to", ENDINGS)
def test_half_filled_files_of_each_kind_come_back(tmp_path: Path, to: Format) -> None:
    tasks = open_tasks(ITEMS[:4], [], ["anna"])["anna"]
    path = export_tasks(tasks, SCHEME, to, tmp_path / "out", "anna", Ledger())[0]
    _fill(path, {"r0": "Yes", "r2": " no "})
    ledger = Ledger()
    found = import_tasks(path, ITEMS, SCHEME, ledger)
    assert [(x.row_id, x.label, x.annotator) for x in found.labels] == [
        ("r0", "Yes", "anna"),
        ("r2", "No", "anna"),
    ]
    assert (found.rows, found.open, ledger.refused) == (4, 2, 0)
    assert ledger.reasons("changed") == {"label spelled otherwise": 1}
    with pytest.raises(DataError, match="there already"):
        export_tasks(tasks, SCHEME, to, tmp_path / "out", "anna", Ledger())


def test_bad_rows_stand_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "row_id,text,label,annotator\n"
        "r0,text 0,Yes,anna\nr0,text 0,No,anna\nr1,text one,Yes,anna\n"
        "r2,text 2,Maybe,anna\nr99,x,Yes,anna\nr3,text 3,Yes,\nr4,text  4,,anna\n"
    )
    ledger = Ledger()
    found = import_tasks(path, ITEMS, SCHEME, ledger)
    assert [x.row_id for x in found.labels] == ["r0"]
    assert (found.rows, found.open) == (7, 1)
    assert [(e.reason, e.origin) for e in ledger.entries] == [
        ("row comes twice", "a.csv:3"),
        ("changed text", "a.csv:4"),
        ("unknown label", "a.csv:5"),
        ("unknown row", "a.csv:6"),
        ("no annotator named", "a.csv:7"),
    ]


def test_other_files_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("x")
    for name, told in (("a.docx", "cannot be read from .docx"), ("none.csv", "cannot read")):
        with pytest.raises(DataError, match=told):
            import_tasks(tmp_path / name, ITEMS, SCHEME, Ledger())


_CELL = st.sampled_from(
    ["", "Yes", "no", "Maybe", "r0", "r1", "r9", "text 0", "text 1", "=x", "\n"]
)


_WHO = st.sampled_from(["anna", "dora", "", "?"])
_ANSWERS = st.lists(st.tuples(_CELL, _CELL, _CELL, _WHO), max_size=12)


@pytest.mark.parametrize("to", ENDINGS)
@settings(max_examples=40, deadline=None)
@given(rows=_ANSWERS, again=st.integers(0, 2), spoilt=st.booleans())
def test_rows_in_are_labels_open_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    to: Format,
    rows: list[tuple[str, str, str, str]],
    again: int,
    spoilt: bool,
) -> None:
    path = tmp_path_factory.mktemp("p") / f"a{ENDINGS[to]}"
    answers = _write(path, rows, again, spoilt)
    ledger = Ledger()
    found = import_tasks(path, ITEMS, SCHEME, ledger, annotators={"anna"})
    assert found.rows == answers
    assert found.rows == len(found.labels) + found.open + ledger.refused
    assert {one.annotator for one in found.labels} <= {"anna"}


def _write(path: Path, rows: list[tuple[str, str, str, str]], again: int, spoilt: bool) -> int:
    """Answers as each kind of file may hold them, and how many there are.

    Args:
        path: Its ending says which kind.
        rows: Row, text, label, annotator.
        again: How many more annotations each of Label Studio's tasks has.
        spoilt: Whether a task that is none comes last.
    """
    head = ("row_id", "text", "label", "annotator")
    match path.suffix:
        case ".xlsx":
            openpyxl = pytest.importorskip("openpyxl")
            book = openpyxl.Workbook()
            for row in (head, *rows):
                book.active.append([value.replace("=", "'=") for value in row])
            book.save(path)
            return sum(any(row) for row in rows)
        case ".csv":
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([head, *rows])
            return sum(any(row) for row in rows)
        case ".json":
            told: list[object] = []
            for row, text, label, who in rows:
                region = {"type": "choices", "value": {"choices": [label] if label else []}}
                one = {"completed_by": who, "result": [region], "was_cancelled": label == "r0"}
                data = {"row_id": row, "text": text, "assigned_to": who}
                told.append({"data": data, "annotations": [one] * (1 + again)})
            told += [3] * spoilt
            path.write_text(json.dumps(told))
            return len(rows) * (1 + again) + spoilt
        case _:
            lines = [
                {"row_id": row, "text": text, "annotator": who, "accept": [label] * bool(label),
                 "answer": ("accept", "ignore", "reject")[again] if label else None}
                for row, text, label, who in rows
            ]  # fmt: skip
            path.write_text("\n".join([*map(json.dumps, lines), *["{"] * spoilt, "3"]))
            return len(rows) + spoilt + 1


def _fill(path: Path, labels: dict[str, str]) -> None:
    """Fill in an exported file as an annotator's tool would."""
    match path.suffix:
        case ".xlsx":
            openpyxl = pytest.importorskip("openpyxl")
            book = openpyxl.load_workbook(path)
            for row in book["tasks"].iter_rows(min_row=2):
                row[4].value = labels.get(row[0].value)
            book.save(path)
        case ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.reader(file))
            for values in rows[1:]:
                values[4] = labels.get(values[0], "")
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows)
        case ".json":
            tasks = json.loads(path.read_text())
            for task in tasks:
                if label := labels.get(task["data"]["row_id"]):
                    region = {"type": "choices", "value": {"choices": [label]}}
                    task["annotations"] = [{"completed_by": 1, "result": [region]}]
            path.write_text(json.dumps(tasks))
        case _:
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            for line in lines:
                if label := labels.get(line["row_id"]):
                    line |= {"accept": [label], "answer": "accept"}
            path.write_text("\n".join(json.dumps(line) for line in lines))
