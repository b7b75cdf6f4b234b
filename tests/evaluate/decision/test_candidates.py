"""Who is measured, and what it is called."""

from __future__ import annotations

from luthier.evaluate.decide import DecideSpec
from luthier.evaluate.decision.candidates import Means, candidates, open_routes
from luthier.evaluate.decision.spec import EndpointSpec, TunedSpec
from luthier.tune.methods import Lora
from luthier.tune.tune import TuneSpec

ALL = Means(rag=True, classifier=True, tune=TuneSpec())
HOSTED = EndpointSpec(name="hosted", base_url="http://127.0.0.1:1/v1", model="m")


def names(spec: DecideSpec, means: Means) -> list[str]:
    return [one.name for one in candidates(spec, means)]


def test_all_that_there_can_be() -> None:
    assert names(DecideSpec(), ALL) == [
        "base", "few-shot", "rag", "extractive", "classifier", "fine-tuned", "rag+fine-tuned",
        "rag+fine-tuned (passages)",
    ]  # fmt: skip


def test_the_share_shown_with_passages_is_the_projects() -> None:
    told = TuneSpec(method=Lora(), with_passages=0.3)
    last = candidates(DecideSpec(), Means(rag=True, classifier=False, tune=told))[-1]
    assert last.tuned == TunedSpec(method=Lora(), with_passages=0.3)


def test_methods_have_routes_of_their_own() -> None:
    spec = DecideSpec(
        routes=("fine-tuned", "rag+fine-tuned"),
        tuned=(TunedSpec(), TunedSpec(method=Lora(), with_passages=0.5)),
    )
    assert names(spec, ALL) == [
        "fine-tuned full", "rag+fine-tuned full", "rag+fine-tuned lora (passages)",
    ]  # fmt: skip


def test_endpoints_are_asked_with_passages_where_there_are_documents() -> None:
    spec = DecideSpec(routes=("base",), endpoints=(HOSTED,))
    assert names(spec, ALL) == ["base", "hosted", "hosted rag"]
    assert names(spec, Means(rag=False, classifier=False, tune=None)) == ["base", "hosted"]


def test_a_model_for_labels_answers_alone() -> None:
    means = Means(rag=True, classifier=False, tune=TuneSpec(), writes=False)
    assert open_routes(means) == ("extractive", "fine-tuned")


def test_without_documents_nothing_retrieves() -> None:
    found = candidates(DecideSpec(), Means(rag=False, classifier=False, tune=TuneSpec()))
    assert [c.name for c in found] == ["base", "few-shot", "fine-tuned"]
    assert not any(c.retrieves for c in found)
