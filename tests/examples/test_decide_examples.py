"""The projects in examples/decide are valid, and their rows fall on the sides that are told."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path

import pytest

from luthier import config, pipeline
from luthier.core.progress import Quiet

EXAMPLES = Path(__file__).parents[2] / "examples" / "decide"
PROJECTS = sorted(EXAMPLES.glob("*/*.yaml"))


@pytest.mark.parametrize("path", PROJECTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_project_file_is_valid(path: Path) -> None:
    project = config.load(path)
    assert project.decide.volume == 10000


@pytest.mark.parametrize(
    ("folder", "name", "train", "test"),
    [
        ("xquad", "paragraphs.yaml", 835, 275),
        ("xquad", "within.yaml", 831, 292),
        ("clinc150", "luthier.yaml", 3000, 300),
    ],
)
def test_real_rows_fall_on_their_sides(
    folder: str, name: str, train: int, test: int, tmp_path: Path
) -> None:
    data = os.environ.get("LUTHIER_DATA")
    if not data:
        pytest.skip(f"NOTHING WAS TESTED: set LUTHIER_DATA to prepare {folder}")
    copy = tmp_path / folder
    shutil.copytree(EXAMPLES / folder, copy, ignore=shutil.ignore_patterns(".luthier", "*.jsonl"))
    runpy.run_path(str(copy / "prepare.py"))
    made = pipeline.run(config.load(copy / name), copy, Quiet(), until="split").artifacts["prepare"]
    sides = {side: sum(kinds.values()) for side, kinds in made.summary["sides"].items()}
    assert (sides["train"], sides["test"]) == (train, test)
