"""Layouts are recognised by their fields, and rows become items that say where they stood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.evaluate.suite import Item
from luthier.evaluate.suites.layouts import Making, items_of

MMLU = {"question": "2+2?", "subject": "maths", "choices": ["3", "4"]}
SQUAD = {
    "data": [
        {
            "title": "Lutes",
            "paragraphs": [
                {
                    "context": "A lute has strings.",
                    "qas": [
                        {"id": "x", "question": "What has it?",
                         "answers": [{"text": "strings"}, {"text": "strings"}]},
                        {"id": "y", "question": "Why?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ]
}  # fmt: skip


def made(tmp_path: Path, *rows: dict[str, Any], **making: Any) -> list[Item]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return items_of(path, Making(**making))


@pytest.mark.parametrize(
    ("row", "kind", "asked", "references", "options"),
    [
        ({"question": "Who?", "answer": "Ada"}, "qa", "Who?", ("Ada",), ()),
        ({"prompt": "Who?", "answers": {"text": ["A", "B"]}}, "qa", "Who?", ("A", "B"), ()),
        ({"question": "?", "context": "C.", "answer": "a"}, "qa", "C.\n\n?", ("a",), ()),
        ({"question": "2?", "options": "x|y", "answer": "B"}, "choice", "2?", ("y",), ("x", "y")),
        ({**MMLU, "answer": 1}, "choice", "2+2?", ("4",), ("3", "4")),
        ({**MMLU, "answer": "B"}, "choice", "2+2?", ("4",), ("3", "4")),
        (
            {"question": "?", "choices": {"text": ["x", "y"], "label": ["1", "2"]},
             "answerKey": "2"},
            "choice", "?", ("y",), ("x", "y"),
        ),
        ({"ctx": "So", "endings": ["x", "y"], "label": "0"}, "choice", "So", ("x",), ("x", "y")),
        ({"question": "?", "answer": "1+1 = <<2>>\n#### 1,018"}, "generation", "?", ("1018",), ()),
        ({"text": "pay", "label": "back"}, "classification", "pay", ("back",), ("back",)),
        ({"text": "Once."}, "text", "", ("Once.",), ()),
        (
            {"messages": [{"role": "user", "content": "Hi"},
                          {"role": "assistant", "content": "Yo"}]},
            "generation", "Hi", ("Yo",), (),
        ),
        ({"id": "a", "kind": "text", "references": ["x"]}, "text", "", ("x",), ()),
    ],
)  # fmt: skip
def test_layouts(
    tmp_path: Path, row: dict[str, Any], kind: str, asked: str, references: Any, options: Any
) -> None:
    (item,) = made(tmp_path, row)
    assert (item.kind, item.question) == (kind, asked)
    assert (item.references, item.options) == (references, options)
    assert item.origin == "rows.jsonl:1"


def test_labels_are_the_options_of_all(tmp_path: Path) -> None:
    items = made(tmp_path, {"text": "a", "label": "x"}, {"text": "b", "label": "y"})
    assert {item.options for item in items} == {("x", "y")}


def test_squad_groups_by_paragraph(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD), "utf-8")
    first, second = items_of(path, Making())
    assert (first.id, first.group, first.references) == ("x", "Lutes#0", ("strings",))
    assert first.question == "A lute has strings.\n\nWhat has it?"
    assert not second.answerable
    bare, _ = items_of(path, Making(with_context=False, system="Be brief."))
    assert [m.content for m in bare.messages] == ["Be brief.", "What has it?"]


def test_clinc_keeps_what_is_out_of_scope(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    told = {"test": [["pay me", "refund"]], "oos_test": [["sing", "oos"]], "train": [["x", "y"]]}
    path.write_text(json.dumps(told), "utf-8")
    first, second = items_of(path, Making())
    assert (first.references, first.options) == (("refund",), ("oos", "refund"))
    assert second.tags == ("out of scope",)


def test_columns_of_ones_own(tmp_path: Path) -> None:
    row = {"frage": "Wer?", "antwort": "Ada", "thema": "Leute", "ort": "Kent"}
    columns = {"question": "frage", "answer": "antwort", "tags": "thema"}
    (item,) = made(tmp_path, row, columns=columns, prompt="In {ort}: {question}", kind="generation")
    assert (item.question, item.references) == ("In Kent: Wer?", ("Ada",))
    assert (item.tags, item.kind) == (("Leute",), "generation")


@pytest.mark.parametrize(
    ("rows", "making", "said"),
    [
        ([{"a": 1}], {}, "what do these rows ask"),
        ([{"question": "?"}], {"columns": {"answer": "x"}}, "lacks 'x'"),
        ([{**MMLU, "answer": 7}], {}, "none of 2 options"),
        ([{"question": "?", "answer": "#### 1"}, {"question": "?", "answer": "x"}], {}, "####"),
        ([{"question": "?", "answer": "x"}], {"prompt": "{y}"}, "lacks 'y'"),
    ],
)
def test_rows_that_make_no_item_are_named(
    tmp_path: Path, rows: list[dict[str, Any]], making: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        made(tmp_path, *rows, **making)


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        made(tmp_path)
