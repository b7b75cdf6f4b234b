"""Rows become a locked suite; what cannot be scored is refused by line."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from luthier.cli.main import main
from luthier.evaluate.suite import read_suite


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["suite", "make", *(str(word) for word in words)])
    return result.exit_code, " ".join(result.output.split())


def test_a_suite_of_a_file(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("frage,antwort\nWer?,Ada\nWas?,Laute\n", "utf-8")
    suite = tmp_path / "s.jsonl"
    code, said = call(
        suite, rows, "--map", "question=frage", "--map", "answer=antwort",
        "--max-items", 1, "--name", "german",
    )  # fmt: skip
    assert code == 0
    assert "1 items (qa 1), locked" in said
    assert "1 others left out" in said
    assert read_suite(suite).name == "german"


def test_a_row_without_reference_is_named(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("question,answer\nWho?,Ada\nWhat?,\n", "utf-8")
    code, said = call(tmp_path / "s.jsonl", rows)
    assert code == 3
    assert "rows.csv:3 (rows.csv:3): no reference" in said
    assert not (tmp_path / "s.jsonl").exists()


def test_a_wrong_field_is_told(tmp_path: Path) -> None:
    code, said = call(tmp_path / "s.jsonl", tmp_path, "--map", "frage=x")
    assert code == 2
    assert "Fields are question, answer" in said
