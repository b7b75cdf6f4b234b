"""Calibrate "not in the documents" on questions whose answers are known to stand in a document.

Asked of all documents such a question is answerable. Asked without its own document, and without
every passage that says the answer, it is not: what is found then is what an unanswerable question
finds. Questions that no document answers may be among them, too.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.records import Passage
from luthier.rag.abstain import FILE_NAME, LEAST, Calibration, Case, calibrate, signs
from luthier.rag.access import Slice
from luthier.rag.index import Index, open_index
from luthier.rag.measure import Sought
from luthier.rag.reading.spans import Similarity
from luthier.rag.spec import RagSpec, index_settings

_DEEPER = 20  # passages beyond those shown: some of them hold the answer and are left out


def searched_with(spec: RagSpec) -> str:
    """What the scores of a search depend on, as JSON."""
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
    folder: Path, spec: RagSpec, questions: Sequence[Sought], seed: int
) -> Calibration:
    """Learn when the documents answer, and write it beside the index.

    Args:
        folder: A built or a living index.
        spec: How it is searched; ``abstain.target`` is aimed at.
        questions: None of those that the result is judged with. Each is asked as its viewer; those
            with an answer that stands in no known document tell nothing and are left out.
        seed: Of the halving of the questions.

    Raises:
        DataError: Too few questions can be used.
        StoreError: The index cannot be opened.
    """
    index = open_index(folder, spec)
    usable = [one for one in questions if one.relevant or one.unanswerable]
    made_of = cases(zip(usable, _found(index, usable), strict=True), spec.top_k)
    there = sum(case.answerable for case in made_of)
    if min(there, len(made_of) - there) < LEAST:
        raise DataError(
            f"a calibration needs {LEAST} questions whose document the search finds, and {LEAST} "
            f"without: of {len(questions)} questions {there} are of the one kind and "
            f"{len(made_of) - there} of the other",
            mend="Give more questions: a larger side, a file, or some made from the documents.",
        )
    target, searched = spec.abstain.target, searched_with(spec)
    made = calibrate(made_of, target, searched, seed=seed, index_version=index.version)
    made.write(folder / FILE_NAME)
    return made


def cases(
    rows: Iterable[tuple[Sought, Sequence[Passage]]],
    depth: int,
    similar: Similarity | None = None,
) -> list[Case]:
    """What retrieval tells where a question can be answered, and where it cannot.

    Args:
        rows: Questions, and what was found for each, best first: more than ``depth`` passages, so
            that enough are left without those that answer.
        depth: Passages that an answer is given from.
        similar: An encoder's cosines, or none; as they will be used.

    Returns:
        For each question the case without its document, and where that was found, the case with.
    """
    made: list[Case] = []
    for one, found in rows:
        made.append(Case(signs(one.text, without(found, one)[:depth], similar), answerable=False))
        if any(p.document_id in one.relevant for p in found[:depth]):
            made.append(Case(signs(one.text, found[:depth], similar), answerable=True))
    return made


def without(found: Sequence[Passage], one: Sought) -> list[Passage]:
    """Passages that do not answer a question: not of its documents, and without its answer."""
    told = [a for a in one.answers if a.strip()]
    said = re.compile(
        "|".join(rf"(?<!\w){re.escape(a.strip())}(?!\w)" for a in told), re.IGNORECASE
    )
    return [
        p
        for p in found
        if p.document_id not in one.relevant and not (told and said.search(f"{p.title}\n{p.shown}"))
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Without:
    """An index as if a question were not answered in it (`luthier.rag.guarding.care.Finds`).

    Attributes:
        index: Which.
        one: The question.
    """

    index: Index
    one: Sought

    def search_many(
        self, queries: Sequence[str], k: int | None = None, part: Slice | None = None
    ) -> list[list[Passage]]:
        """`luthier.rag.index.Index.search_many`, with what answers taken away."""
        wanted = self.index.spec.top_k if k is None else k
        found = self.index.search_many(queries, wanted + _DEEPER, part)
        return [without(passages, self.one)[:wanted] for passages in found]


def _found(index: Index, questions: Sequence[Sought]) -> list[list[Passage]]:
    """What each finds, those of one viewer together."""
    depth = index.spec.top_k + _DEEPER
    made: dict[str, list[Passage]] = {}
    for who in dict.fromkeys(one.who for one in questions):
        mine = [one for one in questions if one.who == who]
        rows = index.search_many([one.text for one in mine], depth, Slice(who))
        made.update((one.id, found) for one, found in zip(mine, rows, strict=True))
    return [made[one.id] for one in questions]
