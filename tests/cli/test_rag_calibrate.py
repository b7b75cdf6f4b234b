"""``luthier rag calibrate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from living_project import call, write

ON = ("--set", "rag.abstain.policy=refuse")


@pytest.fixture(scope="module")
def project(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write(tmp_path_factory.mktemp("town"), tiny_encoder, articles=80)
    result = call("index", "--project", path, "--quiet", *ON)
    assert "not calibrated, so nothing is withheld" in result.output
    return path


def test_it_is_kept_with_the_index_and_used(project: Path) -> None:
    result = call("calibrate", "--project", project, "--quiet")
    assert result.exit_code == 0, result.output
    assert "kept for version 1 of the index" in result.output
    assert "policy is off" in result.output
    told = json.loads(call("calibrate", "--project", project, "--quiet", "--json", *ON).output)
    assert told["answerable"] >= 20
    asked = call("query", "Who is the pope of quartz?", "--project", project, "--answer", *ON)
    assert "calibrated on" in asked.output
    synced = call("sync", "--project", project, "--quiet", *ON)
    assert "calibrat" not in synced.output


def test_too_few_questions_are_told(project: Path) -> None:
    result = call("calibrate", "--project", project, "--quiet", "--most", 3)
    assert result.exit_code != 0
    assert "a calibration needs 20 questions" in result.output
