"""Calibrating "not in the documents" on a project's own questions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from luthier.core.errors import DataError, StoreError
from luthier.core.progress import Quiet
from luthier.core.records import Document, Passage
from luthier.rag.abstain import FILE_NAME, AbstainSpec
from luthier.rag.calibration import Without, calibrate_index, cases, searched_with
from luthier.rag.index import build, open_index
from luthier.rag.measure import Sought
from luthier.rag.rank import RankSpec
from luthier.rag.routes import open_extractive
from luthier.rag.spec import RagSpec

WORDS = [
    "harbour",
    "ledger",
    "quartz",
    "meadow",
    "signal",
    "copper",
    "lantern",
    "orchard",
    "river",
    "tunnel",
]
SPEC = RagSpec(retriever="bm25", abstain=AbstainSpec(policy="refuse", target=0.2))


def corpus() -> tuple[list[Document], list[Sought]]:
    documents, questions = [], []
    for n in range(60):
        left, right = WORDS[n % 10], WORDS[(n // 10 + n) % 10]
        text = f"The {left} of the {right} house {n} was sold in {1800 + n}."
        documents.append(Document(f"d{n}", f"note {n}", text, f"f:{n}", "text", f"d{n}"))
        asked = f"When was the {left} of the {right} house {n} sold?"
        questions.append(Sought(f"q{n}", asked, {f"d{n}": 1.0}, answers=(str(1800 + n),)))
    return documents, questions


def test_answerable_questions_are_told_from_others(tmp_path: Path) -> None:
    documents, questions = corpus()
    build(SPEC, documents, tmp_path, Quiet())
    made = calibrate_index(tmp_path, SPEC, questions, seed=0)
    assert (made.answerable, made.unanswerable) == (60, 60)
    assert made.answered > made.false_answers
    assert (tmp_path / FILE_NAME).is_file()
    assert open_extractive(tmp_path, SPEC).care.abstention is not None


def test_too_few_questions_name_a_document(tmp_path: Path) -> None:
    documents, questions = corpus()
    build(SPEC, documents, tmp_path, Quiet())
    with pytest.raises(DataError, match="20 questions whose document"):
        calibrate_index(tmp_path, SPEC, questions[:5], seed=0)


def test_another_search_needs_another_calibration() -> None:
    other = SPEC.model_copy(update={"ranking": RankSpec(title_weight=0.1)})
    assert searched_with(SPEC) == searched_with(SPEC.model_copy(update={"context_tokens": 99}))
    assert searched_with(SPEC) != searched_with(other)


def test_a_question_is_a_case_with_its_document_and_one_without() -> None:
    found = [
        Passage("a#0", "a", "Frogs", "The frog sang in 1900.", "f", 0, 22, 2.0),
        Passage("b#0", "b", "Toads", "It was 1900 too.", "f", 0, 16, 1.0),
        Passage("c#0", "c", "Newts", "In 19000 frogs sang.", "f", 0, 20, 0.5),
    ]
    asked = Sought("q", "When sang the frog?", {"a": 1.0}, answers=("1900",))
    there, gone = Sought("p", "Who?", {"z": 1.0}), Sought("n", "Why?", {})
    made = cases([(asked, found), (there, found), (gone, found)], 2)
    assert [case.answerable for case in made] == [False, True, False, False]
    assert made[0].signs.best == 0.5, "b says the answer, and is taken away with a"
    assert made[1].signs.best == 2.0


def test_an_index_can_be_asked_as_if_it_did_not_answer(tmp_path: Path) -> None:
    documents, questions = corpus()
    build(SPEC, documents, tmp_path, Quiet())
    index, one = open_index(tmp_path, SPEC), questions[7]
    assert index.search(one.text)[0].document_id == "d7"
    [found] = Without(index, one).search_many([one.text])
    assert len(found) == SPEC.top_k
    assert "d7" not in {p.document_id for p in found}


def test_a_calibration_of_an_older_version_is_told(tmp_path: Path) -> None:
    documents, questions = corpus()
    build(SPEC, documents, tmp_path, Quiet())
    made = calibrate_index(tmp_path, SPEC, questions, seed=0)
    assert made.index_version == 1
    assert "luthier rag calibrate" not in _told(tmp_path)
    dataclasses.replace(made, index_version=3).write(tmp_path / FILE_NAME)
    assert "was at version 3 of the index, which is now at 1" in _told(tmp_path)


def _told(folder: Path) -> str:
    abstention = open_extractive(folder, SPEC).care.abstention
    assert abstention is not None
    return abstention.told


def test_a_changed_search_is_named(tmp_path: Path) -> None:
    documents, questions = corpus()
    build(SPEC, documents, tmp_path, Quiet())
    calibrate_index(tmp_path, SPEC, questions, seed=0)
    with pytest.raises(StoreError, match=r"rag.top_k changed since"):
        open_extractive(tmp_path, SPEC.model_copy(update={"top_k": 5}))
