"""SQuAD: every passage is a document, every question an example that names its passage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example
from luthier.data.sources.dialects import take
from luthier.data.sources.json import JsonSource
from luthier.data.sources.raw import Raw, RowSource
from luthier.data.sources.sources import read

PASSAGE = "Warsaw lies on the Vistula."


def _asked(question: str, *answers: str, **more: Any) -> dict[str, Any]:
    told = [{"text": a, "answer_start": max(PASSAGE.find(a), 0)} for a in answers]
    return {"id": f"id-{question}", "question": question, "answers": told, **more}


ARTICLE = {
    "title": "Beyonc%C3%A9_Street",
    "paragraphs": [
        {"context": PASSAGE, "qas": [_asked("Where?", "Vistula", "Vistula", "the Vistula")]},
        {
            "context": "No more.",
            "qas": [_asked("Who?", is_impossible=True), _asked("", "x"), _asked("What?", "")],
        },
        {"context": "Nobody asks about this.", "qas": []},
        {"context": " ", "qas": [_asked("And?", "y")]},
        {"context": "Broken.", "qas": [3]},
    ],
}


def _take(*rows: dict[str, Any], **told: Any) -> tuple[list[Document], list[Example], Ledger]:
    ledger = Ledger()
    raws = [Raw(row, f"f:{number}") for number, row in enumerate(rows)]
    found = list(take(raws, RowSource.model_validate(told), ledger))
    documents = [f for f in found if isinstance(f, Document)]
    return documents, [f for f in found if isinstance(f, Example)], ledger


def test_an_article_as_it_is_published() -> None:
    documents, (row,), ledger = _take(ARTICLE)
    at = "f:0.paragraphs"
    assert [d.id for d in documents] == [f"{at}[{i}].context" for i in range(3)]
    assert {(d.title, d.group) for d in documents} == {("Beyoncé Street", "Beyonc%C3%A9_Street")}
    assert (documents[0].text, documents[0].origin) == (PASSAGE, f"{at}[0].context")
    assert (row.question, row.answer, row.id) == ("Where?", "Vistula", f"{at}[0].qas[0]")
    assert (row.document_id, row.group) == (documents[0].id, documents[0].group)
    assert [(e.action, e.reason, e.origin, e.detail) for e in ledger.entries] == [
        ("changed", "further answers left out", f"{at}[0].qas[0]", "the Vistula"),
        ("refused", "question without an answer", f"{at}[1].qas[0]", "Who?"),
        ("refused", "empty question", f"{at}[1].qas[1]", ""),
        ("refused", "empty answer", f"{at}[1].qas[2]", ""),
        ("refused", "empty text", f"{at}[3].qas[0]", ""),
        ("refused", "wrong type", f"{at}[4]", "qas is not a list of objects"),
    ]


def test_questions_without_an_answer_may_be_kept() -> None:
    _, rows, ledger = _take(ARTICLE, unanswerable="The text does not say.")
    assert [(r.question, r.answer, r.kind) for r in rows] == [
        ("Where?", "Vistula", "row"),
        ("Who?", "The text does not say.", "unanswerable"),
    ]
    assert "question without an answer" not in ledger.reasons()


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["Vistula"], "answer_start": [19]},
        [{"text": "Vistula", "answer_start": 19}],
        json.dumps({"text": ["Vistula"], "answer_start": [19]}),
    ],
)
def test_rows_of_one_question_tell_a_passage_once(answers: Any) -> None:
    flat = {"id": "1", "title": "Warsaw", "context": PASSAGE, "answers": answers}
    documents, rows, ledger = _take(
        {**flat, "question": "Where?"},
        {**flat, "question": "What?"},
        {**flat, "question": "Else?", "context": "Another.", "answers": {"text": []}},
    )
    assert [d.id for d in documents] == ["f:0.context", "f:2.context"]
    assert [(r.id, r.document_id, r.group) for r in rows] == [
        ("f:0", "f:0.context", "Warsaw"),
        ("f:1", "f:0.context", "Warsaw"),
    ]
    assert ledger.reasons() == {"question without an answer": 1}


def test_groups_without_a_title_and_named_ones() -> None:
    row = {"context": PASSAGE, "question": "Where?", "answers": {"text": ["Vistula"]}}
    documents, rows, _ = _take(row)
    assert documents[0].title == ""
    assert documents[0].group == rows[0].group == "f:0.context"
    _, (named,), _ = _take({**row, "part": 3, "sort": "place"}, group="part", tag="sort")
    assert (named.group, named.kind) == ("3", "place")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ({"paragraphs": 3}, "paragraphs is not a list of objects"),
        ({"paragraphs": []}, "paragraphs is empty"),
        ({"context": PASSAGE, "qas": None}, "qas is not a list of objects"),
        ({"context": PASSAGE, "question": "q", "answers": 3}, "answers is not a list of objects"),
        ({"context": PASSAGE, "question": "q", "answers": {"text": "a"}}, "answers.text is not"),
        ({"context": PASSAGE, "question": "q", "answers": "a"}, "answers is neither"),
        ({"context": [1], "question": "q", "answers": []}, "context is list, not text"),
    ],
)
def test_rows_of_the_wrong_shape(row: dict[str, Any], detail: str) -> None:
    _, rows, ledger = _take(row)
    assert not rows
    (entry,) = ledger.entries
    assert entry.detail.startswith(detail)


def test_a_published_file_needs_no_settings(tmp_path: Path) -> None:
    text = json.dumps({"version": "v2.0", "data": [ARTICLE]})
    (tmp_path / "train-v2.0.json").write_text(text)
    ledger = Ledger()
    found = list(read(JsonSource(path="train-v2.0.json"), tmp_path, ledger, Quiet())[0])
    assert [type(f) for f in found] == [Document, Example, Document, Document]
    assert found[1].id == "train-v2.0.json:data[0].paragraphs[0].qas[0]"


def test_xquad() -> None:
    folder = Path(os.environ.get("LUTHIER_DATA", "")) / "xquad_en"
    if not (folder / "xquad.en.json").is_file():
        pytest.skip("LUTHIER_DATA does not hold xquad_en")
    ledger = Ledger()
    found = list(read(JsonSource(path="xquad.en.json"), folder, ledger, Quiet())[0])
    documents = {f.id: f for f in found if isinstance(f, Document)}
    rows = [f for f in found if isinstance(f, Example)]
    assert (len(documents), len(rows), len({r.group for r in rows})) == (240, 1190, 48)
    assert all(r.answer in documents[r.document_id].text for r in rows)
    assert not ledger.entries
