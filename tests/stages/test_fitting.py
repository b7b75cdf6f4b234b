"""What was fitted is held against what is in use."""

from __future__ import annotations

from pathlib import Path

import pytest
from living_project import write

from luthier import config, pipeline
from luthier.core.progress import Quiet
from luthier.stages import fitting, living
from luthier.stages.work import Work


@pytest.fixture
def work(tiny_encoder: Path, tmp_path: Path) -> Work:
    project = config.load(write(tmp_path, tiny_encoder, articles=24))
    work = pipeline.gather(project, tmp_path, Quiet(), until="split")
    living.sync(work, most_gone=0.5)
    return work


def test_the_test_side_judges_what_was_taken(work: Work) -> None:
    asked = living.sought(work, "validation")
    found = fitting.fit(work, asked, "validation", ["words"])
    assert found.questions == len(asked)
    assert fitting.locked(work, {}) is None
    held = fitting.locked(work, {"words.k1": 0.6})
    assert held is not None
    assert held.gain.n == len(fitting.locked_texts(work))
