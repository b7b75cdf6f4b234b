"""Answers from documents: right, cited, rightly withheld, and only what a viewer may see."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from scripted import Scripted

from luthier.core.errors import DataError
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.evaluate.documents import METRICS, Answers, measure_answers
from luthier.rag.abstain import AbstainSpec, Abstention, calibrate
from luthier.rag.calibration import cases
from luthier.rag.extract import ExtractSpec
from luthier.rag.index import build, open_index
from luthier.rag.measure import Sought
from luthier.rag.routes import extractive, open_rag
from luthier.rag.spec import RagSpec

SPEC = RagSpec(retriever="bm25", top_k=2, extract=ExtractSpec(answer="words"))
SHELF = [
    Document("bell", "Bell", "The bell was cast by Ada Quill in 1712.", "a:1", "text", "a"),
    Document("mill", "Mill", "The mill burned in 1840. Its wheel was saved.", "b:1", "text", "b"),
    Document("vault", "Vault", "The vault holds 12 coins.", "c:1", "text", "c", access=("ann",)),
]
ACCESS = {one.id: one.access for one in SHELF}
BELL = Sought("q1", "Who cast the bell?", {"bell": 1.0}, "person", answers=("Ada Quill", "Quill"))
MILL = Sought("q2", "When did the mill burn?", {"mill": 1.0}, "time", answers=("1840",))
VAULT = Sought("q3", "How many coins are in the vault?", {"vault": 1.0}, answers=("12",))
NOWHERE = Sought("q4", "Which zebra juggles marmalade?", {}, "nowhere")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("index")
    build(SPEC, SHELF, place, Quiet())
    return place


def extracted(folder: Path, *asked: Sought, spec: RagSpec = SPEC) -> Answers:
    return measure_answers("x", extractive(open_index(folder, spec)), asked, ACCESS, Quiet())


def figure(found: Answers, metric: str) -> list[float]:
    return [float(value) for value in found.measured.values[metric]]


def test_right_answers_are_told(folder: Path) -> None:
    found = extracted(folder, BELL, MILL)
    assert [one.text for one in found.given] == ["Ada Quill", "1840"]
    for metric in ("exact_match", "token_f1", "holds_answer", "answered", "faithfulness"):
        assert figure(found, metric) == [1.0, 1.0], metric
    assert figure(found, "citation_precision") == figure(found, "citation_recall") == [1.0, 1.0]
    assert tuple(found.measured.values) == METRICS
    assert found.measured.latency_ms(95) > 0


def test_a_sentence_that_holds_the_answer_is_told_from_one_that_is_it(folder: Path) -> None:
    spec = SPEC.model_copy(update={"extract": ExtractSpec(answer="sentence")})
    found = extracted(folder, BELL, spec=spec)
    assert figure(found, "exact_match") == [0.0]
    assert figure(found, "holds_answer") == [1.0]
    assert 0 < figure(found, "token_f1")[0] < 1


def test_nothing_should_be_said_where_nothing_is_known(folder: Path) -> None:
    found = extracted(folder, NOWHERE, MILL)
    assert figure(found, "withheld") == [1.0, 1.0], "the mill's page is taken away"
    assert math.isnan(figure(found, "token_f1")[0])
    assert math.isnan(figure(found, "answered")[0])
    assert math.isnan(figure(found, "faithfulness")[0]), "a refusal claims nothing"
    assert [one.empty for one in found.given] == [True, False]


def test_what_a_viewer_may_not_see_is_not_expected(folder: Path) -> None:
    found = extracted(folder, VAULT, BELL)
    assert math.isnan(figure(found, "token_f1")[0])
    assert found.measured.leaks == ()
    mine = Sought("q3", VAULT.text, VAULT.relevant, who=frozenset({"ann", "everyone"}),
                  answers=("12",))  # fmt: skip
    assert figure(extracted(folder, mine), "citation_recall") == [1.0]


def test_a_model_that_makes_things_up_is_not_faithful(folder: Path) -> None:
    route = open_rag(Scripted(lambda prompt: "Zeno Frisk in 1999."), folder, SPEC)
    found = measure_answers("rag", route, [BELL], ACCESS, Quiet())
    assert figure(found, "faithfulness") == [0.0]
    assert figure(found, "token_f1") == [0.0]
    assert figure(found, "withheld") == [0.0], "it answers whatever is asked"


def test_a_warning_counts_as_withheld_and_not_as_an_answer(folder: Path) -> None:
    spec = SPEC.model_copy(update={"abstain": AbstainSpec(policy="warn")})
    index = open_index(folder, spec)
    found = index.search_many([BELL.text, MILL.text] * 15, 22)
    made_of = cases(zip([BELL, MILL] * 15, found, strict=True), 2)
    never = calibrate(made_of, 0.2, "x")
    route = extractive(index)
    strict = dataclasses.replace(never, threshold=2.0)
    care = dataclasses.replace(route.care, abstention=Abstention(spec.abstain, strict))
    told = measure_answers("x", dataclasses.replace(route, care=care), [BELL], ACCESS, Quiet())
    assert told.given[0].text == "Ada Quill"
    assert told.given[0].withheld
    assert not told.given[0].empty
    assert figure(told, "answered") == [0.0]
    assert figure(told, "exact_match") == [1.0]


def test_no_questions_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no questions"):
        extracted(folder)


def test_a_route_without_an_index_is_refused(folder: Path) -> None:
    route = dataclasses.replace(extractive(open_index(folder, SPEC)), index=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="search an index"):
        measure_answers("x", route, [BELL], ACCESS, Quiet())
