"""``luthier rag tune``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from living_project import call, write

pytest.importorskip("optuna")


def test_settings_are_searched_and_held_against_the_locked_side(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    project = write(tmp_path, tiny_encoder, articles=24)
    asked = ("tune", "--project", project, "--quiet", "--trials", 3)
    told = json.loads(call(*asked, "--json", "--locked").output)
    assert len(told["tuned"]["trials"]) == 3
    assert set(told["locked"]) >= {"base", "best"}
    screen = call(*asked)
    assert screen.exit_code == 0, screen.output
    assert "ndcg@10" in screen.output


def test_a_space_that_names_no_setting(tiny_encoder: Path, tmp_path: Path) -> None:
    project = write(tmp_path, tiny_encoder)
    space = "rag.tune={space: {words.k9: {low: 1, high: 2}}}"
    result = call("tune", "--project", project, "--quiet", "--set", space)
    assert "there is no setting 'words.k9'" in result.output
