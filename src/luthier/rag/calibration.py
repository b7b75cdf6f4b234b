"""Calibrate "not in the documents" on a project's own questions.

A question whose answer is known to stand in a document is answerable. The same question, asked of
the index without that document and without all that holds the answer, is not: what is found then
is what an unanswerable question finds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from luthier.core.records import Example, Passage
from luthier.rag.abstain import FILE_NAME, Calibration, Case, calibrate, signs
from luthier.rag.index import Index, open_index
from luthier.rag.spec import RagSpec, index_settings

_DEEPER = 20  # passages beyond those shown: some of them hold the answer and are left out


def searched_with(spec: RagSpec) -> str:
    """What the scores of a search depend on, in words."""
    told = {
        "retriever": spec.retriever,
        "top_k": spec.top_k,
        "words": spec.words.model_dump(mode="json"),
        "ranking": spec.ranking.model_dump(mode="json", exclude={"rules", "weights"}),
        "query": spec.query.model_dump(mode="json", exclude={"map", "language"}),
        **{k: v for k, v in index_settings(spec).items() if k != "encoder"},
    }
    return json.dumps(told, sort_keys=True)


def calibrate_index(
    folder: Path, spec: RagSpec, questions: Sequence[Example], seed: int
) -> Calibration:
    """Learn when the documents answer, and write it beside the index.

    Args:
        folder: A built or a living index.
        spec: How it is searched; ``abstain.target`` is aimed at.
        questions: Of the validation side; those that name no document are left out.
        seed: Of the halving of the questions.

    Raises:
        DataError: Too few questions name a document.
        StoreError: The index cannot be opened.
    """
    index = open_index(folder, spec)
    usable = [one for one in questions if one.document_id]
    made = calibrate(_cases(index, usable), spec.abstain.target, searched_with(spec), seed=seed)
    made.write(folder / FILE_NAME)
    return made


def _cases(index: Index, questions: Sequence[Example]) -> list[Case]:
    k = index.spec.top_k
    found = index.search_many([one.question for one in questions], k + _DEEPER)
    cases = []
    for one, passages in zip(questions, found, strict=True):
        cases.append(Case(signs(one.question, passages[:k]), answerable=True))
        others = [p for p in passages if not _holds(p, one)]
        cases.append(Case(signs(one.question, others[:k]), answerable=False))
    return cases


def _holds(passage: Passage, one: Example) -> bool:
    """Whether a passage is of the answer's document, or says the answer."""
    answer = one.answer.strip().lower()
    return passage.document_id == one.document_id or (
        bool(answer) and answer in f"{passage.title}\n{passage.shown}".lower()
    )
