"""A suite is locked, checked and shown; a change is named with exit code 3."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from suite_fakes import questions

from luthier.cli.main import main
from luthier.evaluate.suite import write_suite


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, " ".join(result.output.split())


def test_a_changed_suite_is_refused_until_it_is_locked_again(tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    write_suite(questions(), path)
    assert "is as it was locked: 4 items (qa 4)" in call("suite", "check", path)[1]
    path.write_text(path.read_text("utf-8").replace('"3"', '"three"'), "utf-8")
    code, said = call("suite", "check", path)
    assert code == 3
    assert "1 changed (q3)" in said
    code, said = call("suite", "lock", path)
    assert code == 0
    assert "locked numbers" in said
    assert said.endswith("1 changed (q3)")
    assert call("suite", "check", path)[0] == 0


def test_show_tells_kinds_tags_and_items(tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    write_suite(questions(), path)
    said = call("suite", "show", path)[1]
    assert "tags: even 2" in said
    assert "q0 qa 0? 0" in said
    told = json.loads(CliRunner().invoke(main, ["suite", "show", str(path), "--json"]).output)
    assert (told["groups"], len(told["items"])) == (4, 4)


def test_what_asks_the_same_is_noted(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("id,question,answer\na,Who?,Ada\nb,Who?,Eve\n", "utf-8")
    assert call("suite", "make", tmp_path / "s.jsonl", rows)[0] == 0
    assert "1 items ask what another one asks" in call("suite", "check", tmp_path / "s.jsonl")[1]
