"""What no document supports, form, sources, and where the right answer stands."""

from __future__ import annotations

import dataclasses

import pytest
from made import Shelf, item, passage, row

from luthier.evaluate.decision.behaviour import (
    holding,
    in_form,
    refuses,
    same_content,
    sourced,
    unsupported,
)

ONE = item(7)
JSON = item(3, '{"a": 1, "b": [2]}', kind="form")


@pytest.mark.parametrize("said", ["", " ", "I don't know.", "This is not in the documents."])
def test_refusals(said: str) -> None:
    assert refuses(row(ONE, said))


def test_a_projects_own_refusal() -> None:
    assert not refuses(row(ONE, "Ask the harbour master."))
    assert refuses(row(ONE, "Ask the harbour master."), ["Ask the harbour master."])


def test_unsupported_by_any_document() -> None:
    rows = [
        row(ONE, "In the year 1707."),
        row(ONE, "In the year 1812."),
        row(ONE, ""),
        row(JSON, '{"a": 1}'),
    ]
    assert unsupported(rows, {}, Shelf()) == [0.0, 1.0, None, None]


def test_an_answer_may_rest_on_what_the_route_saw() -> None:
    seen = passage("elsewhere", "Bridge 7 was built again by the clerk of works in 1812.")
    said = row(
        ONE, "Bridge 7 was built again by the clerk of works in 1812.", passage_ids=(seen.id,)
    )
    assert unsupported([said], {seen.id: seen}, Shelf()) == [0.0]


@pytest.mark.parametrize(
    ("said", "finish", "wanted"),
    [
        ("In the year 1999.", "stop", 1.0),
        ("In the year 1999", "stop", 0.0),
        ("In the year 1999.", "length", 0.0),
        ("Well, " * 20 + "1999.", "stop", 0.0),
        ("", "stop", 0.0),
    ],
)
def test_form_of_words(said: str, finish: str, wanted: float) -> None:
    assert in_form(row(ONE, said, finish_reason=finish)) == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [('{"b": 0, "a": 0}', 1.0), ('{"a": 1}', 0.0), ("[1]", 0.0), ("a is 1", 0.0)],
)
def test_form_of_data(said: str, wanted: float) -> None:
    assert in_form(row(JSON, said)) == wanted


def test_content_in_another_form() -> None:
    assert same_content(row(ONE, "It was built in the year 1707, they say."))
    assert not same_content(row(ONE, "It was built in the year 1708."))
    assert same_content(row(JSON, "{'a': 1, 'b': [2]}"))
    assert same_content(row(JSON, 'Sure: {"x": 1, "y": [2]}'))
    assert not same_content(row(JSON, '{"a": 2, "b": [2]}'))


def test_a_source_is_one_that_was_checked() -> None:
    assert sourced(row(ONE, "x", citations=("p#0",))) == 1.0
    assert sourced(row(ONE, "x", passage_ids=("p#0",))) == 0.0


def test_where_the_answer_stands() -> None:
    assert [p.id for p in holding(ONE, Shelf())] == ["bridge 7#0"]
    unknown = dataclasses.replace(ONE, document_id="")
    assert [p.id for p in holding(unknown, Shelf())] == ["bridge 7#0"]
    nowhere = dataclasses.replace(
        item(7, "By the river authority of Ulm in a hurry."), document_id=""
    )
    assert holding(nowhere, Shelf()) == []
