"""A task is opened from its file and the rows beside it, and never from the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.evaluate.harnessing.tasks import open_tasks

HOW: dict[str, Any] = {"shots": None, "limit": None, "seed": 0, "online": False}


def test_rows_are_looked_for_beside_the_file(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write("choice").relative_to(tmp_path)
    (task,) = open_tasks(str(path), **HOW)
    assert (task.name, len(task.task.eval_docs)) == ("own_choice", 3)
    assert Path.cwd() == tmp_path


def test_the_digest_is_that_of_settings_and_rows(write: Callable[..., Path]) -> None:
    rows = [{"question": q, "options": ["four", "six"], "answer": 0} for q in ("a", "b", "c")]
    other = [*rows[:2], {**rows[2], "answer": 1}]

    def digest(asked: list[dict[str, Any]], **how: Any) -> str:
        return open_tasks(str(write("choice", asked)), **HOW | how)[0].digest

    first = digest(rows)
    assert digest(rows) == first
    assert digest(other) != first
    assert digest(rows, shots=1) != first
    assert digest(rows, limit=2) == digest(other, limit=2)


def test_a_task_whose_rows_lie_elsewhere_is_refused_without_the_network(
    write: Callable[..., Path],
) -> None:
    path = write("choice", dataset_path="someone/benchmark", dataset_kwargs={})
    with pytest.raises(DataError, match=r"not on this machine") as told:
        open_tasks(str(path), **HOW)
    assert "--online" in told.value.mend


def test_what_is_no_task_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="no such task"):
        open_tasks("absent.yaml", **HOW)
    path = tmp_path / "bad.yaml"
    path.write_text("just text", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be opened"):
        open_tasks(str(path), **HOW)
    with pytest.raises(DataError, match="not on this machine"):
        open_tasks(str(write("text", dataset_kwargs={"data_files": {"test": "gone.jsonl"}})), **HOW)
