"""The living index measured: other settings, routes, and when to be silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from living_project import write

from luthier import config, pipeline
from luthier.core.errors import ConfigError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.rag.measure import compare
from luthier.stages import living, measuring
from luthier.stages.work import Work


@pytest.fixture(scope="module")
def work(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("town")
    path = write(folder, tiny_encoder, articles=80)
    work = pipeline.gather(
        config.load(path, ["rag.abstain.policy=refuse"]), folder, Quiet(), until="split"
    )
    living.sync(work, most_gone=0.5)
    return work


def test_a_search_is_measured_beside_others(work: Work) -> None:
    asked = measuring.questions(work, Ledger(), most=12)
    assert len(asked) == 12
    assert asked == measuring.questions(work, Ledger(), most=12)
    found = measuring.searches(work, asked, ["bm25", "retriever=dense,ranking.title_weight=0"])
    assert list(found) == [measuring.NOW, "bm25", "retriever=dense,ranking.title_weight=0"]
    assert found["bm25"].rows()[0].figures["recall@10"].mean > 0.5
    assert compare(found["bm25"], found[measuring.NOW], "ndcg@10")["all"].gain.n == 12


def test_a_setting_that_decides_the_index_is_refused(work: Work) -> None:
    spec = living.settings(work)
    with pytest.raises(ConfigError, match="decides the index"):
        measuring.changed(spec, "chunker.chunk_size=80")
    with pytest.raises(ConfigError, match="no setting 'nothing'"):
        measuring.changed(spec, "nothing=1")
    with pytest.raises(ConfigError, match="cannot be"):
        measuring.changed(spec, "bm26")
    assert measuring.changed(spec, "query.feedback=true").query.feedback is not None


def test_calibration_goes_with_the_version_of_the_index(work: Work) -> None:
    assert "no calibration" in measuring.abstention(work)
    assert "not calibrated" in measuring.stale(work, 1)
    made = measuring.calibrate(work, measuring.questions(work, Ledger()))
    assert made.index_version == 1
    assert measuring.stale(work, 1) == ""
    assert "calibrated at version 1" in measuring.stale(work, 2)
    assert "calibrated on" in measuring.abstention(work)


def test_answers_are_measured_without_a_model(work: Work) -> None:
    asked = measuring.questions(work, Ledger(), side="test", most=5)
    told = measuring.answers(work, asked, ["extractive"])
    assert [one.question for one in told["extractive"].given] == [q.id for q in asked]
    with pytest.raises(ConfigError, match="retrieves nothing"):
        measuring.answers(work, asked, ["base"])


def test_routes_that_need_no_training(work: Work) -> None:
    assert measuring.routes_of(work) == ["extractive", "rag"]
