"""`luthier trace`: an answer's origins as tables and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from luthier.cli.main import main
from luthier.core.journal import FILE_NAME, AnswerRecord, Journal, LoggedPassage, now
from luthier.core.records import Message


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with one logged answer, whose bundle is gone."""
    record = AnswerRecord(
        id="ans-12", at=now(), bundle="b" * 64, route="rag", model="docs",
        conversation=(Message("user", "Why?"),), answer="So.",
        passages=(LoggedPassage("a#0", "a", "a.py:3", 0.75),), citations=("a#0",),
        latency_s=0.5, first_token_s=0.1, prompt_tokens=7, completion_tokens=3,
        finish_reason="stop",
    )  # fmt: skip
    Journal(tmp_path / FILE_NAME).append(record)
    return tmp_path


@pytest.mark.parametrize("answer", ["ans-12", "ans-", "last"])
def test_tables_and_json(root: Path, answer: str) -> None:
    done = CliRunner().invoke(main, ["trace", answer, "--store", str(root)])
    assert done.exit_code == 0, done.output
    for word in ("ans-12", "Why?", "a.py:3", "not in the store"):
        assert word in done.output
    done = CliRunner().invoke(main, ["trace", answer, "--json", "--store", str(root)])
    assert json.loads(done.stdout)["cited"][0]["origin"] == "a.py:3"


def test_an_unknown_answer(root: Path) -> None:
    done = CliRunner().invoke(main, ["trace", "nobody", "--store", str(root)])
    assert done.exit_code == 7
    assert "no answer 'nobody'" in done.output


def test_nothing_was_answered_yet(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["trace", "last", "--store", str(tmp_path / "none")])
    assert done.exit_code == 7
    assert not (tmp_path / "none").exists()
