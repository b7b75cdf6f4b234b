"""Questions from a file: what a line may hold, and which documents a name covers."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.records import Document
from luthier.rag.access import ANYONE
from luthier.rag.measuring.file import read_questions


def document(number: int, text: str) -> Document:
    name = "shop/returns.md"
    return Document(f"{name}#{number}", "Returns", text, f"{name}:{number}", "text", name)


SHELF = [document(1, "Shoes: 30 days."), document(2, "Hats: never."), document(3, "Ask.")]


def _written(folder: Path, *lines: str) -> Path:
    path = folder / "q.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", ["shop/returns.md", "returns.md", "Returns"])
def test_a_file_stands_for_those_of_its_sections_that_say_the_answer(
    tmp_path: Path, name: str
) -> None:
    line = f'{{"question": "How long?", "answer": ["30 DAYS", "30"], "document": "{name}"}}'
    [one] = read_questions(_written(tmp_path, line), SHELF)
    assert one.relevant == {"shop/returns.md#1": 1.0}
    assert one.answers == ("30 DAYS", "30")
    assert (one.id, one.group, one.who) == ("q.jsonl:1", name, ANYONE)


def test_names_cover_all_sections_where_none_says_the_answer(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        '{"question": "What?", "document": "Returns"}',
        "",
        '{"question": "What?", "document": ["shop/returns.md#2", "shop/returns.md#3"]}',
    )
    every, two = read_questions(path, SHELF)
    assert len(every.relevant) == 3
    assert list(two.relevant) == ["shop/returns.md#2", "shop/returns.md#3"]
    assert two.id == "q.jsonl:3"


def test_a_question_without_answer_and_document_is_answered_by_none(tmp_path: Path) -> None:
    told = '{"question": "Why?", "kind": "nowhere", "as": ["ann"], "id": "n", "group": "g"}'
    [one] = read_questions(_written(tmp_path, told), SHELF)
    assert one.unanswerable
    assert (one.id, one.kind, one.group) == ("n", "nowhere", "g")
    assert "ann" in one.who


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "no question"),
        ('{"question": "a", "anwser": "b"}', "no 'anwser'"),
        ('{"question": "a", "document": "nope"}', "no document 'nope'"),
        ('{"question": "a", "answer": "b"}', "an answer and no document"),
        ('{"question": "a", "answer": 5}', "'answer' is a text"),
        ("", "no questions"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_questions(_written(tmp_path, line), SHELF)
    assert "q.jsonl" in caught.value.where


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl", SHELF)
