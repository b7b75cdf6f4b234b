from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.annotate import _exchange
from luthier.data.annotate._filled import Filled, Scheme, Task

SCHEME = Scheme(("a < b", 'say "c"'), "# How\n$1 & more")
TASKS = [Task("r1", "first", "f:1", "anna"), Task("r2", "second", "f:2", "anna")]


def _choice(label: str, **more: Any) -> dict[str, Any]:
    region = {"from_name": "label", "type": "choices", "value": {"choices": [label]}}
    note = {"from_name": "note", "type": "textarea", "value": {"text": ["hm"]}}
    return {"result": [region, note], "completed_by": 3, "was_cancelled": False} | more


def _read(tmp_path: Path, told: Any) -> list[Filled]:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(told))
    return list(_exchange.read_label_studio(path))


def test_label_studio_gets_tasks_labels_and_guidelines(tmp_path: Path) -> None:
    written = _exchange.write_label_studio(tmp_path / "anna.json", TASKS, SCHEME)
    assert [p.name for p in written] == ["anna.json", "label-studio.xml", "guidelines.md"]
    data = json.loads((tmp_path / "anna.json").read_text())[0]["data"]
    assert (data["text"], data["row_id"], data["origin"]) == ("first", "r1", "f:1")
    page = ET.fromstring((tmp_path / "label-studio.xml").read_text())
    assert [c.get("value") for c in page.iter("Choice")] == list(SCHEME.labels)
    shown = page.find("./Collapse/Panel/Text")
    assert shown is not None
    assert shown.get("value") == SCHEME.guidelines
    assert len(list(_exchange.read_label_studio(tmp_path / "anna.json"))) == 2


def test_label_studio_export_is_read(tmp_path: Path) -> None:
    data = {"text": "first", "row_id": "r1", "assigned_to": "anna"}
    done = _choice("yes", lead_time=4.25, created_at="2026-01-02T03:04:05Z")
    passed = {"result": [], "completed_by": 3, "was_cancelled": True}
    read = _read(
        tmp_path,
        [
            {"data": data, "annotations": [done]},
            {"data": data, "annotations": [passed]},
            {"data": data, "annotations": []},
            {"data": data, "annotations": [_choice("x"), _choice("y", completed_by=4)]},
            {"data": data, "annotations": [_choice("x", completed_by={"email": "b@c.d"})]},
        ],
    )
    one = read[0]
    assert (one.row_id, one.label, one.annotator, one.note) == ("r1", "yes", "anna", "hm")
    assert (one.at, one.seconds) == ("2026-01-02T03:04:05.000000+00:00", 4.25)
    assert read[1].skipped
    assert read[2].label == ""
    assert [r.annotator for r in read[3:5]] == ["label-studio-3", "label-studio-4"]
    assert read[5].annotator == "b@c.d"


def test_label_studio_json_min_is_read(tmp_path: Path) -> None:
    flat = {"text": "first", "row_id": "r1", "label": "yes", "annotator": 7, "lead_time": 1}
    read = _read(
        tmp_path, [flat, flat | {"assigned_to": "anna"}, flat | {"label": {"choices": []}}]
    )
    assert [(r.label, r.annotator) for r in read[:2]] == [
        ("yes", "label-studio-7"),
        ("yes", "anna"),
    ]
    assert read[2].problem is not None


def test_broken_tasks_are_told_not_lost(tmp_path: Path) -> None:
    two = _choice("x") | {"result": [{"value": {"choices": ["x", "y"]}}]}
    read = _read(
        tmp_path,
        [
            7,
            {"data": {}, "annotations": [7]},
            {"data": {}, "annotations": [two]},
            {"data": {}, "annotations": [_choice("x") | {"result": [7]}]},
        ],
    )
    assert [r.problem[0] for r in read if r.problem] == [
        "not a JSON object",
        "wrong type",
        "several labels",
        "wrong type",
    ]


@pytest.mark.parametrize(("text", "told"), [("{", "not JSON"), ("{}", "no list of tasks")])
def test_what_is_no_export_is_an_error(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(DataError, match=told):
        list(_exchange.read_label_studio(tmp_path / "e.json"))


def test_prodigy_gets_options_and_instructions(tmp_path: Path) -> None:
    _exchange.write_prodigy(tmp_path / "anna.jsonl", TASKS, SCHEME)
    first = json.loads((tmp_path / "anna.jsonl").read_text().splitlines()[0])
    assert [o["id"] for o in first["options"]] == list(SCHEME.labels)
    assert (first["row_id"], first["meta"]) == ("r1", {"origin": "f:1"})
    config = json.loads((tmp_path / "prodigy.json").read_text())
    assert (tmp_path / config["instructions"]).read_text() == SCHEME.guidelines
    assert [f.label for f in _exchange.read_prodigy(tmp_path / "anna.jsonl")] == ["", ""]


def test_prodigy_export_is_read(tmp_path: Path) -> None:
    base = {"text": "first", "row_id": "r1", "annotator": "anna"}
    lines: list[Any] = [
        base | {"accept": ["yes"], "answer": "accept", "_timestamp": 1},
        base | {"accept": [], "answer": "ignore"},
        base | {"accept": ["yes", "no"], "answer": "accept"},
        {
            "text": "t",
            "label": "yes",
            "answer": "accept",
            "_annotator_id": "x",
            "meta": {"row_id": 5},
        },
        base | {"label": "yes", "answer": "reject"},
        base | {"accept": "yes", "answer": "accept"},
        7,
    ]
    path = tmp_path / "out.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), "{", ""]))
    read = list(_exchange.read_prodigy(path))
    assert (read[0].label, read[0].at) == ("yes", "1970-01-01T00:00:01.000000+00:00")
    assert read[1].skipped
    assert (read[3].row_id, read[3].label, read[3].annotator) == ("5", "yes", "x")
    assert [r.problem[0] for r in read if r.problem] == [
        "several labels",
        "answer is a rejection",
        "wrong type",
        "not a JSON object",
        "not JSON",
    ]
