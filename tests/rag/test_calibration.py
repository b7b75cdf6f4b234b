"""Calibrating "not in the documents" on a project's own questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example, Message
from luthier.rag.abstain import FILE_NAME, AbstainSpec
from luthier.rag.calibration import calibrate_index, searched_with
from luthier.rag.index import build
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


def corpus() -> tuple[list[Document], list[Example]]:
    documents, questions = [], []
    for n in range(60):
        left, right = WORDS[n % 10], WORDS[(n // 10 + n) % 10]
        text = f"The {left} of the {right} house {n} was sold in {1800 + n}."
        documents.append(Document(f"d{n}", f"note {n}", text, f"f:{n}", "text", f"d{n}"))
        asked = Message("user", f"When was the {left} of the {right} house {n} sold?")
        turns = (asked, Message("assistant", str(1800 + n)))
        questions.append(Example(f"q{n}", turns, "o", f"d{n}", "fact", f"d{n}"))
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
    with pytest.raises(DataError, match="a calibration needs"):
        calibrate_index(tmp_path, SPEC, questions[:5], seed=0)


def test_another_search_needs_another_calibration() -> None:
    other = SPEC.model_copy(update={"ranking": RankSpec(title_weight=0.1)})
    assert searched_with(SPEC) == searched_with(SPEC.model_copy(update={"context_tokens": 99}))
    assert searched_with(SPEC) != searched_with(other)
