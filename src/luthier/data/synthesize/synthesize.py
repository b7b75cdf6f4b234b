"""Synthesise training rows: a model writes, filters decide, and every refusal is in the ledger."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, assert_never

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, Message, read_table, write_table
from luthier.core.spec import Spec
from luthier.data.synthesize.drafts import Draft
from luthier.data.synthesize.filters import (
    Encode,
    FormSpec,
    JudgeSpec,
    Known,
    NoveltySpec,
    form_problem,
    judged,
)
from luthier.data.synthesize.methods import (
    Desk,
    DocumentQuestions,
    Evolve,
    FewShot,
    Grid,
    MethodSpec,
    SelfInstruct,
    document_questions,
    evolve,
    few_shot,
    grid,
    self_instruct,
)
from luthier.data.synthesize.writer import BudgetSpec, Writer
from luthier.models.generate import Generate, Reply, Sampling

SYNTHESIZE_VERSION = 1
SAMPLES = 12


class SynthesizeSpec(Spec):
    """How training rows are written by a model."""

    methods: tuple[MethodSpec, ...] = Field(min_length=1)
    """Ways of writing, one after the other."""
    sampling: Sampling = Sampling(max_new_tokens=256, temperature=0.8, top_p=0.95)
    """How the model chooses its words."""
    budget: BudgetSpec = BudgetSpec()
    """What it may cost."""
    form: FormSpec = FormSpec()
    """The form a draft must have."""
    novelty: NoveltySpec = NoveltySpec()
    """How far a row must be from all others."""
    judge: JudgeSpec | None = None
    """A second reading by the model; none if null."""
    max_refused: float = Field(0.95, ge=0, le=1)
    """Largest share of replies that may be refused."""


def synthesize(
    spec: SynthesizeSpec,
    prepared: Path,
    folder: Path,
    progress: Progress,
    *,
    documents: Sequence[Document],
    answer: Generate,
    seed: int,
    encode: Encode | None = None,
    cost: Callable[[Reply], float] = lambda _: 0.0,
) -> dict[str, Any]:
    """Write more training rows.

    Args:
        spec: Settings.
        prepared: Holds ``examples.parquet``; its training rows are what the model sees.
        folder: Gets ``examples.parquet`` (all rows there were, and the new ones on the training
            side), the ledger, ``synthesize.json``, and ``calls.jsonl``: a run that was interrupted
            goes on from there.
        progress: Shows the calls.
        documents: What questions are written from; those of other sides are left alone.
        answer: The model that writes.
        seed: Decides which rows are shown.
        encode: Texts to normalised vectors; needed if ``novelty.max_similarity`` is set.
        cost: What one reply costs.

    Returns:
        Counts by method, refusals, and what was spent, as plain JSON.

    Raises:
        DataError: There is nothing to write from.
        LeakageError: More replies were refused than ``max_refused`` allows.
    """
    started = time.monotonic()
    examples = read_table(prepared / "examples.parquet", Example)
    seeds = [e for e in examples if e.side == "train"]
    allowed = learnable(documents, examples)
    ledger = Ledger()
    with progress.task("Synthesising", spec.budget.max_calls) as task:
        writer = Writer(answer, spec.budget, folder, cost=cost, task=task)
        desk = Desk(writer, spec.sampling, seed, ledger)
        known = Known([e.question for e in examples], spec.novelty, encode)
        made: list[Example] = []
        for method in spec.methods:
            size = min(writer.batch, method.per_round) if isinstance(method, SelfInstruct) else 32
            drafts = _drafts(method, seeds, allowed, desk, made)
            for chunk in _chunks(drafts, size):
                made += accept(chunk, spec, seeds, known, desk)
    limit = spec.max_refused
    ledger.check(rows_in=desk.replies, rows_out=len(made), limit=limit, stage="synthesize")
    write_table(folder / "examples.parquet", [*examples, *made], Example)
    ledger.write(folder)
    summary = _summary(made, desk) | {"seconds": round(time.monotonic() - started, 2)}
    shown = [{"question": e.question, "answer": e.answer, "parent": e.parent} for e in made]
    told = json.dumps({**summary, "samples": shown[:SAMPLES]}, indent=2, ensure_ascii=False)
    (folder / "synthesize.json").write_text(told, encoding="utf-8")
    return summary


def _chunks(drafts: Iterator[Draft], size: int) -> Iterator[list[Draft]]:
    """The drafts, a few at a time; more are asked for only when those are taken."""
    while chunk := list(itertools.islice(drafts, size)):
        yield chunk


def _summary(made: Sequence[Example], desk: Desk) -> dict[str, Any]:
    return {
        "replies": desk.replies,
        "made": len(made),
        "methods": dict(Counter(e.id.split(":")[1] for e in made)),
        "refused": desk.ledger.refused,
        "reasons": desk.ledger.reasons(),
        "spent": dataclasses.asdict(desk.writer.spent),
        "budget_spent": desk.writer.over,
    }


def learnable(documents: Sequence[Document], examples: Sequence[Example]) -> list[Document]:
    """The documents about which no question is held back for validation or test."""
    held = {name for e in examples if e.side != "train" for name in (e.group, e.document_id)}
    return [d for d in documents if not {d.group, d.id, d.origin} & held]


def accept(
    drafts: Sequence[Draft],
    spec: SynthesizeSpec,
    seeds: Sequence[Example],
    known: Known,
    desk: Desk,
) -> list[Example]:
    """The drafts that pass all filters, as training rows; the others are lines in the ledger."""
    labels = frozenset(e.label for e in seeds if e.label)
    standing = []
    for draft in drafts:
        problem = form_problem(draft, spec.form, labels) or known.problem(draft.question)
        if problem is None:
            standing.append(draft)
        else:
            desk.ledger.refuse(problem, draft.origin, draft.question)
    if spec.judge is not None and standing:
        marks = judged(standing, spec.judge, desk.writer)
        for draft, mark in zip(standing, marks, strict=True):
            if mark is not None:
                desk.ledger.refuse(mark, draft.origin, draft.question)
        standing = [d for d, mark in zip(standing, marks, strict=True) if mark is None]
    return [_row(draft) for draft in standing]


def _row(draft: Draft) -> Example:
    said = f"{draft.question}\x1f{draft.answer}".encode()
    return Example(
        id=f"synthetic:{draft.method}:{hashlib.sha256(said).hexdigest()[:16]}",
        messages=(Message("user", draft.question), Message("assistant", draft.answer)),
        origin=draft.origin,
        group=draft.group,
        kind=draft.kind,
        document_id=draft.document_id,
        side="train",
        label=draft.label,
        parent=draft.parent or draft.document_id,
    )


def _drafts(
    method: MethodSpec,
    seeds: Sequence[Example],
    documents: Sequence[Document],
    desk: Desk,
    pool: list[Example],
) -> Iterator[Draft]:
    source = documents if isinstance(method, DocumentQuestions) else seeds
    if not source:
        missing = "document" if isinstance(method, DocumentQuestions) else "training row"
        raise DataError(
            f"there is no {missing} to write from",
            where=f"data.synthesize.methods ({method.kind})",
            mend="Add a source, or leave this method out.",
        )
    match method:
        case FewShot():
            return few_shot(method, seeds, desk)
        case SelfInstruct():
            return self_instruct(method, seeds, desk, pool)
        case Evolve():
            return evolve(method, seeds, desk)
        case DocumentQuestions():
            return document_questions(method, documents, desk)
        case Grid():
            return grid(method, seeds, desk)
        case _:
            assert_never(method)
