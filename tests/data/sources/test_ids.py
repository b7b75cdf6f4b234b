"""A row that says who it is keeps its name when the lines around it change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.data.sources._ids import placed
from luthier.data.sources._turns import UnfitError
from luthier.data.sources.dialects import check_columns, take
from luthier.data.sources.raw import Raw, RowSource


def _take(rows: list[dict[str, Any]], ledger: Ledger) -> list[Document | Example]:
    raws = (Raw(row, f"a.jsonl:{line}") for line, row in enumerate(rows, 1))
    return list(take(raws, RowSource(id_field="id"), ledger))


def test_ids_stay_when_a_line_above_is_deleted() -> None:
    rows = [{"id": n, "text": f"text {n}"} for n in range(5)]
    before, after = _take(rows, Ledger()), _take(rows[1:], Ledger())
    assert before[1:] == after
    assert (after[0].id, after[0].origin, after[0].group) == ("1", "a.jsonl#1", "1")


def test_an_id_that_comes_twice_is_an_error_with_both_lines() -> None:
    rows: list[dict[str, Any]] = [{"id": 7, "text": "x"}, {"id": "7 ", "text": "y"}]
    with pytest.raises(DataError, match=r"the id '7': a\.jsonl:1 and a\.jsonl:2"):
        _take(rows, Ledger())


def test_a_row_without_an_id_stands_in_the_ledger_with_its_line() -> None:
    ledger = Ledger()
    rows: list[dict[str, Any]] = [{"text": "x"}, {"id": " ", "text": "y"}, {"id": [1], "text": "z"}]
    assert not _take(rows, ledger)
    assert [(e.origin, e.reason) for e in ledger.entries] == [
        ("a.jsonl:1", "row without an id"),
        ("a.jsonl:2", "row without an id"),
        ("a.jsonl:3", "wrong type"),
    ]


def test_passages_and_questions_of_one_row_stand_below_its_id() -> None:
    asked = {"question": "who?", "answers": [{"text": "Ann", "answer_start": 0}]}
    row = {"id": "x/1", "title": "T", "paragraphs": [{"context": "Ann did.", "qas": [asked]}]}
    document, question = _take([row], Ledger())
    assert isinstance(question, Example)
    assert document.id == question.document_id == "x/1.paragraphs[0].context"
    assert question.id == "x/1.paragraphs[0].qas[0]"
    assert document.origin == "a.jsonl#x/1.paragraphs[0].context"


def test_exports_have_their_ids_beside_their_texts_or_above_them() -> None:
    row = {"data": {"text": "x", "key": "k"}, "annotations": []}
    raw, told = placed(Raw(row, "e.json:[0]"), "key", {})
    assert (raw.origin, told) == ("e.json#k", "k")
    with pytest.raises(UnfitError):
        placed(Raw(json.loads(json.dumps(row)), "e.json:[1]"), "nothing", {})


def test_a_table_without_the_column_is_told_which_setting_names_it() -> None:
    with pytest.raises(DataError, match="no column named 'uid'") as error:
        check_columns(["text"], RowSource(id_field="uid"), "a.csv:1")
    assert "`id_field`" in error.value.mend
