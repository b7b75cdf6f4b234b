"""Answers from a file are held against the items they are named for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.evaluate.runs.answers_file import answers_file, read_answers
from luthier.models.generate import Sampling


def test_answers_are_found_by_id_whatever_the_columns_are_called(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("item_id,output\nq0,zero\nq1,\n", "utf-8")
    assert [r.text for r in read_answers(path).answer(["q1", "q0"])] == ["", "zero"]
    lines = tmp_path / "a.jsonl"
    lines.write_text(json.dumps({"id": 7, "reply": "x"}) + "\n", "utf-8")
    assert read_answers(lines).answers == {"7": "x"}


def test_missing_answers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,answer\nq0,zero\n", "utf-8")
    with pytest.raises(DataError, match=r"no answer for 2 of these items \(q1, q2\)"):
        read_answers(path).answer(["q0", "q1", "q2"])
    with pytest.raises(DataError, match="belong to their items"):
        read_answers(path).generate([], Sampling())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,answer\nq0,x\n", "lacks an id"),
        ("id,said\nq0,x\n", "lacks one of answer"),
        ("id,answer\nq0,x\nq0,y\n", "twice"),
    ],
)
def test_a_file_without_answers_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=said):
        read_answers(path)


def test_other_content_is_another_answerer(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,answer\nq0,x\n", "utf-8")
    first = answers_file("a", path)
    path.write_text("id,answer\nq0,y\n", "utf-8")
    assert first.digest != answers_file("a", path).digest
    with pytest.raises(DataError, match="no such file"):
        answers_file("a", tmp_path / "none.csv")
