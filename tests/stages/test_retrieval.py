"""Retrieval measured and tuned on a project's own questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from living_project import write

from luthier import config, pipeline
from luthier.core.progress import Quiet
from luthier.core.space import Dimension
from luthier.rag.tuning import TuningSpec
from luthier.stages import living, retrieval
from luthier.stages.work import Work

pytest.importorskip("optuna")


@pytest.fixture
def work(tiny_encoder: Path, tmp_path: Path) -> Work:
    project = config.load(write(tmp_path, tiny_encoder, articles=24))
    work = pipeline.gather(project, tmp_path, Quiet(), until="split")
    living.sync(work, most_gone=0.5)
    return work


def test_chunks_are_searched_too_and_the_index_is_built_for_each_size(work: Work) -> None:
    space = {
        "chunker.chunk_size": Dimension(choices=(80, 160)),
        "ranking.title_weight": Dimension(choices=(0.0, 0.5)),
    }
    spec = TuningSpec(space=space, trials=3)
    tuned = retrieval.tune(work, spec)
    assert len(tuned.trials) == 3
    assert {step.name for step in tuned.steps} >= {"normalise", "titles"}
    held = retrieval.locked(work, spec, tuned)
    assert held.looks == 1
    assert retrieval.locked(work, spec, tuned).looks == 1


def test_commands_override_the_search_of_a_project(work: Work) -> None:
    assert retrieval.tuning_spec(work, None, None).trials == 40
    spec = retrieval.tuning_spec(work, 5, 12.5)
    assert (spec.trials, spec.latency_limit_ms) == (5, 12.5)
