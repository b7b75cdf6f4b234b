"""A suite is put to answerers from the command line, or as the project's section says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from suite_fakes import questions

from luthier.cli.main import main
from luthier.evaluate.suite import write_suite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_suite(questions(), tmp_path / "numbers.jsonl")
    (tmp_path / "good.csv").write_text("id,answer\nq0,0\nq1,1\nq2,2\nq3,3\n", "utf-8")
    (tmp_path / "bad.csv").write_text("id,answer\nq0,0\nq1,1\nq2,x\nq3,x\n", "utf-8")
    return tmp_path


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["evaluate", *(str(word) for word in words)])
    return result.exit_code, result.output


def test_two_files_of_answers_side_by_side(folder: Path) -> None:
    suite, store = folder / "numbers.jsonl", folder / "store"
    who = ("--with", f"good={folder}/good.csv", "--with", f"bad={folder}/bad.csv")
    code, said = call(suite, *who, "--store", store, "--quiet")
    assert code == 0
    assert "numbers 4 items (qa 4)" in " ".join(said.split())
    (line,) = (line for line in said.splitlines() if line.startswith("exact_match"))
    assert "1.000 [" in line
    assert "0.500 [" in line
    code, said = call(suite, *who, "--store", store, "--quiet", "--json")
    first, second = json.loads(said)
    assert (first["reused"], first["answerer"]["name"]) == (True, "good")
    assert second["summary"]["exact_match"]["mean"] == 0.5
    assert (Path(second["path"]) / "items.parquet").is_file()


def test_the_section_of_the_project(folder: Path) -> None:
    (folder / "faq.csv").write_text("question,answer\nWho?,Ada\n", "utf-8")
    project = folder / "luthier.yaml"
    project.write_text(
        "name: mine\ndata: {sources: [{kind: csv, path: faq.csv}]}\n"
        "suites:\n  - {path: numbers.jsonl, answerers: ['good=good.csv']}\n",
        "utf-8",
    )
    code, said = call("--project", project, "--quiet", "--json")
    assert code == 0, said
    assert json.loads(said)[0]["summary"]["exact_match"]["mean"] == 1.0
    assert (folder / ".luthier" / "artifacts").is_dir()


def test_what_is_missing_is_told(folder: Path) -> None:
    suite, store = folder / "numbers.jsonl", folder / "store"
    assert "Name it: --with" in call(suite)[1]
    assert "--with needs a SUITE" in call("--with", "starter")[1]
    code, said = call(suite, "--with", "rag", "--store", store, "--quiet")
    assert code == 2
    assert "there is no project here" in said
    code, said = call(suite, "--with", f"{folder}/good.csv", "--with", f"{folder}/good.csv")
    assert code == 2
    assert "two answerers are called 'good.csv'" in said
    (folder / "bad.csv").write_text("id,answer\nq0,0\n", "utf-8")
    code, said = call(suite, "--with", f"{folder}/bad.csv", "--store", store, "--quiet")
    assert code == 3
    assert "no answer for 3 of these items" in said


def test_reports_beside_the_runs_and_side_by_side(folder: Path) -> None:
    suite, store = folder / "numbers.jsonl", folder / "store"
    who = ("--with", f"good={folder}/good.csv", "--with", f"bad={folder}/bad.csv")
    code, said = call(suite, *who, "--store", store, "--quiet", "--json", "--no-report")
    assert [one["reports"] for one in json.loads(said)] == [[], []]
    code, said = call(suite, *who, "--store", store, "--quiet", "--json")
    assert code == 0, said
    first, second = json.loads(said)
    both = store / "reports" / "numbers.html"
    assert first["reports"] == [f"{first['path']}/report.html", str(both)]
    assert "good" in Path(second["reports"][1]).read_text("utf-8")
    page = folder / "new" / "all.html"
    code, said = call(suite, *who, "--store", store, "--quiet", "--report", page)
    assert f"report: {page}" in said
    assert page.stat().st_size < 100_000
