"""Answers of one candidate to some questions, kept and asked for once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from luthier.core.records import Example, Passage
from luthier.core.spec import digest_of
from luthier.core.store import Artifact
from luthier.evaluate._ask import ask
from luthier.evaluate.answers import ItemResult, read_answers, read_passages, write_answers
from luthier.evaluate.compare import EvaluateSpec
from luthier.evaluate.decision.candidates import Candidate
from luthier.evaluate.decision.diagnosis import RightFirst
from luthier.evaluate.routes import RETRIEVE
from luthier.models.generate import Generate, Sampling
from luthier.stages.work import Work

ASK_VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """What a candidate answered.

    Attributes:
        artifact: Where it is kept.
        rows: One for each item, in order.
        passages: Those named in the answers, by id.
    """

    artifact: Artifact
    rows: tuple[ItemResult, ...]
    passages: Mapping[str, Passage]


@dataclasses.dataclass(frozen=True, slots=True)
class Oracle:
    """Passages put first in the prompt, or alone.

    Attributes:
        right: By question.
        alone: Nothing else is shown.
    """

    right: Mapping[str, Sequence[Passage]]
    alone: bool = False

    def named(self) -> dict[str, Any]:
        """What of it decides answers."""
        ids = {question: [p.id for p in rows[:1]] for question, rows in self.right.items()}
        return {"right": ids, "alone": self.alone}


def answers_of(
    work: Work,
    candidate: Candidate,
    items: Sequence[Example],
    *,
    latency_items: int = 0,
    oracle: Oracle | None = None,
    title: str = "",
) -> Answers:
    """Ask a candidate, unless it was asked before.

    Args:
        work: The run; its tuned model and its index are the candidate's.
        candidate: Who.
        items: What is asked.
        latency_items: How many are asked once more, alone and timed.
        oracle: Passages put into the prompt; None for what the search finds.
        title: Of the bar; by default the candidate's name.
    """
    how = work.project.evaluate or EvaluateSpec()
    sampling = Sampling(max_new_tokens=how.max_new_tokens, seed=work.project.seed)

    def fill(folder: Path) -> dict[str, Any]:
        route = _with(answerer(work, candidate), oracle)
        told = ask(
            title or candidate.name,
            route,
            items,
            sampling,
            latency_items,
            work.progress,
            likelihood=False,
        )
        write_answers(folder, told.rows, told.passages)
        return {"items": len(items), "differs": told.unstable}

    inputs = {
        **_parts(work, candidate),
        "items": digest_of([[i.id, i.question, i.answer, i.tools] for i in items]),
        "sampling": sampling,
        "latency_items": latency_items,
        **({"oracle": oracle.named()} if oracle else {}),
    }
    artifact = work.store.make("ask", ASK_VERSION, inputs, fill)
    rows = tuple(
        dataclasses.replace(row, route=candidate.name) for row in read_answers(artifact.path)
    )
    return Answers(artifact, rows, read_passages(artifact.path))


def answerer(work: Work, candidate: Candidate) -> Generate:
    """Whoever answers for a candidate."""
    if candidate.endpoint is None:
        return work.answerer(candidate.route)
    from luthier.evaluate.routes import answerer as around
    from luthier.models.remote import RemoteModel

    index = work.made.get("index")
    return around(
        candidate.route,
        RemoteModel(candidate.endpoint),
        shots=work.shots() if candidate.route == "few-shot" else (),
        index_folder=index.path if index else None,
        rag=work.rag,
    )


def _parts(work: Work, candidate: Candidate) -> dict[str, Any]:
    """What decides a candidate's answers."""
    from luthier.rag.spec import named_files

    parts: dict[str, Any] = {"route": candidate.route, "prepare": work.made["prepare"]}
    if candidate.endpoint is not None:
        parts["endpoint"] = candidate.endpoint
    elif candidate.route != "extractive":
        part = {"classifier": "classify"}.get(
            candidate.route, "tune" if candidate.tuned else "model"
        )
        parts |= {part: work.made[part], **work.held()}
    if candidate.route == "few-shot":
        parts["few_shot"] = (work.project.evaluate or EvaluateSpec()).few_shot
    if candidate.route in RETRIEVE:
        parts |= {"index": work.made["index"], "rag": work.project.rag}
        parts["rag_files"] = work.rag and named_files(work.rag)
    return parts


def _with(route: Generate, oracle: Oracle | None) -> Generate:
    """The same answerer with passages put into its prompts."""
    if oracle is None:
        return route
    from luthier.rag.answer import RagAnswerer

    if not isinstance(route, RagAnswerer):
        raise AssertionError("an oracle of retrieval needs a model that is shown passages")
    return dataclasses.replace(
        route, index=RightFirst(route.index, oracle.right, alone=oracle.alone)
    )
