"""Answers are asked for once, and an oracle puts the right passage into the prompt."""

from __future__ import annotations

from pathlib import Path

import deciding
import pytest

from luthier import config, pipeline
from luthier.core.progress import Quiet
from luthier.evaluate.decision.candidates import Candidate
from luthier.evaluate.decision.spec import EndpointSpec
from luthier.models.remote import RemoteModel
from luthier.stages import answers
from luthier.stages.asking import Oracle, answerer, answers_of
from luthier.stages.decide import prepared
from luthier.stages.work import Work

RAG = Candidate("rag", "rag")


@pytest.fixture(scope="module")
def work(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A run with an index."""
    folder = tmp_path_factory.mktemp("asked")
    project = config.load(deciding.write(folder, tiny_encoder), ["tune=null"])
    made = pipeline.gather(prepared(project), folder, Quiet(), until="plan")
    answers.index(made)
    return made


def test_asked_once_and_named_as_it_is_called(work: Work) -> None:
    items = work.items()[:3]
    first = answers_of(work, RAG, items, latency_items=1)
    again = answers_of(work, Candidate("search", "rag"), items, latency_items=1)
    assert not first.artifact.reused
    assert again.artifact.reused
    assert [row.route for row in again.rows] == ["search"] * 3
    assert [row.item_id for row in first.rows] == [item.id for item in items]
    assert first.rows[0].latency_s is not None
    assert first.rows[0].nll_nats is None


def test_an_oracle_shows_the_passage_that_answers(work: Work) -> None:
    items = work.items()[:2]
    found = answers_of(work, RAG, items)
    other = found.rows[0].passage_ids[-1]
    right = {items[0].question: [found.passages[other]]}
    first = answers_of(work, RAG, items, oracle=Oracle(right))
    alone = answers_of(work, RAG, items, oracle=Oracle(right, alone=True))
    assert first.rows[0].passage_ids[0] == other
    assert alone.rows[0].passage_ids == (other,)
    assert first.rows[1].passage_ids == found.rows[1].passage_ids


def test_an_endpoint_answers_in_the_models_place(work: Work) -> None:
    spec = EndpointSpec(name="hosted", base_url="http://127.0.0.1:9/v1", model="m")
    assert isinstance(answerer(work, Candidate("hosted", "base", endpoint=spec)), RemoteModel)
