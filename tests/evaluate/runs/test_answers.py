"""What was written is there after any end of the process, and is read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import ResourceError, StoreError
from luthier.core.records import Passage
from luthier.evaluate.runs.answers import Answer, Answers, answers_path
from luthier.models.generate import Reply

PASSAGE = Passage("d#0", "d", "T", "text é", "f:1", 0, 4, access=("a",), meta={"k": "v"})
FULL = Answer(
    Reply("Hé\nllo", 3, 2, 0.5, "length", (PASSAGE,), ("d#0",), "[]"),
    0.25, "abc", 1.5, 2, (1.5, 2.5),
)  # fmt: skip
BARE = Answer(Reply("", 0, 0, 0.0, "stop"))


def test_answers_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.jsonl"
    Answers(path).add({"one": FULL, "two": BARE})
    read = Answers(path)
    assert (read.get("one"), read.get("two"), read.get("three")) == (FULL, BARE, None)
    assert len(read) == 2


def test_a_line_that_a_killed_process_left_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    Answers(path).add({"one": FULL})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    read = Answers(path)
    assert len(read) == 1
    read.add({"two": BARE})
    assert Answers(path).get("two") == BARE


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{}\n", "utf-8")
    with pytest.raises(StoreError, match="cannot be read"):
        Answers(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ResourceError, match="cannot be written"):
        Answers(tmp_path / "file" / "x.jsonl").add({"one": BARE})


def test_the_name_is_fit_for_a_file(tmp_path: Path) -> None:
    path = answers_path(tmp_path, "a/b: c", "0123456789abcdef00")
    assert path == tmp_path / "answers" / "a-b-c-0123456789abcdef.jsonl"
