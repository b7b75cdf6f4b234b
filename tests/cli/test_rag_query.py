"""``luthier rag query``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from living_project import call, write


@pytest.fixture(scope="module")
def project(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write(tmp_path_factory.mktemp("town"), tiny_encoder)
    assert call("index", "--project", path, "--quiet").exit_code == 0
    return path


def test_passages_with_reasons_and_an_answer(project: Path) -> None:
    result = call(
        "query",
        "When was the copper of town 5 built?",
        "--project",
        project,
        "--explain",
        "--answer",
    )
    assert result.exit_code == 0, result.output
    assert "[1]" in result.output
    assert "by words" in result.output
    assert "candidates" in result.output


def test_json_has_offsets_and_origins(project: Path) -> None:
    told = json.loads(call("query", "town 5", "--project", project, "--json", "--top-k", 2).output)
    assert len(told["passages"]) == 2
    one = told["passages"][0]
    assert one["text"][:4] == "The "
    assert one["end"] - one["start"] == len(one["text"])
    assert "squad.json" in one["origin"]


def test_only_those_who_may_see_it_find_it(project: Path) -> None:
    asked = ("query", "quartz goes to sales", "--project", project, "--json", "--top-k", 20)
    anyone = json.loads(call(*asked).output)
    sales = json.loads(call(*asked, "--as", "sales").output)
    assert "secret plan" not in {p["title"] for p in anyone["passages"]}
    assert "secret plan" in {p["title"] for p in sales["passages"]}


def test_a_filter_that_is_none(project: Path) -> None:
    result = call("query", "x", "--project", project, "--where", "kind")
    assert "is not of the form key=value" in result.output


def test_without_an_index(tiny_encoder: Path, tmp_path: Path) -> None:
    result = call("query", "x", "--project", write(tmp_path, tiny_encoder))
    assert result.exit_code != 0
    assert "luthier rag index" in result.output


def test_an_unknown_name_and_an_unknown_key_are_told(project: Path) -> None:
    asked = ("query", "town 5", "--project", project, "--json")
    assert json.loads(call(*asked).output)["notes"] == []
    told = call(*asked, "--as", "salse")
    assert json.loads(told.stdout)["notes"] == ["no access list names salse"]
    assert "no access list names salse" in told.stderr
    assert "None has any metadata" in " ".join(call(*asked, "--where", "topic=x").output.split())
