"""Synthesise training rows: a model writes, filters decide, and every refusal is in the ledger."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, assert_never

from pydantic import Field

from luthier.core.errors import ConfigError, DataError, LeakageError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress, Task
from luthier.core.records import Document, Example, Message, read_table, write_table
from luthier.core.spec import Spec
from luthier.data.synthesize.desk import Desk
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
from luthier.data.synthesize.journal import CallJournal
from luthier.data.synthesize.methods import (
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
    planned,
    self_instruct,
)
from luthier.data.synthesize.writer import BudgetSpec, Prices, Writer
from luthier.models.generate import Generate, Sampling

SYNTHESIZE_VERSION = 2
SAMPLES = 12


class WritingSampling(Sampling):
    """How the model that writes chooses its words."""

    max_new_tokens: int = Field(256, ge=1)
    """Longest answer, in tokens."""
    temperature: float = Field(0.8, ge=0, le=2)
    """0 takes the most likely token: equal prompts then get equal answers."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Only the most likely tokens that make up this share (Holtzman et al. 2020)."""


class SynthesizeSpec(Spec):
    """How training rows are written by a model."""

    methods: tuple[MethodSpec, ...] = Field(min_length=1)
    """Ways of writing, one after the other."""
    sampling: WritingSampling = WritingSampling()
    """How the model chooses its words; every call has a seed of its own."""
    budget: BudgetSpec = BudgetSpec()
    """What it may cost."""
    form: FormSpec = FormSpec()
    """The form a draft must have."""
    novelty: NoveltySpec = NoveltySpec()
    """How far a row must be from all others."""
    judge: JudgeSpec | None = None
    """A second reading by the model; none if null."""
    max_refused: float = Field(0.95, ge=0, le=1)
    """Largest share of the items begun that may be refused."""


def synthesize(
    spec: SynthesizeSpec,
    prepared: Path,
    folder: Path,
    progress: Progress,
    *,
    documents: Sequence[Document],
    answer: Generate,
    journal: Path,
    seed: int,
    encode: Encode | None = None,
    prices: Prices | None = None,
) -> dict[str, Any]:
    """Write more training rows.

    Args:
        spec: Settings.
        prepared: Holds ``examples.parquet``; its training rows are what the model sees.
        folder: Gets ``examples.parquet`` (all rows there were, and the new ones on the training
            side), the ledger and ``synthesize.json``.
        progress: Shows the items, and how many calls they took.
        documents: What questions are written from; those of other sides are left alone.
        answer: The model that writes.
        journal: The file of this model's answers so far; calls that stand there are not made.
        seed: Decides which rows are shown, and the seeds of the calls.
        encode: Texts to normalised vectors; needed if ``novelty.max_similarity`` is set.
        prices: What the model's tokens cost; nothing by default.

    Returns:
        Counts by method, refusals, and what was spent, as plain JSON.

    Raises:
        ConfigError: ``max_cost`` is set, and tokens cost nothing.
        DataError: There is nothing to write from.
        LeakageError: More items were refused than ``max_refused`` allows.
        ModelError: The model refuses, or keeps giving no usable answer.
        ResourceError: It cannot be reached, or stays busy.
    """
    started = time.monotonic()
    _check_prices(spec.budget, prices or Prices())
    examples = read_table(prepared / "examples.parquet", Example)
    seeds = [e for e in examples if e.side == "train"]
    sources = _sources(spec, seeds, learnable(documents, examples))
    total = sum(planned(m, len(s)) for m, s in zip(spec.methods, sources, strict=True))
    ledger, made = Ledger(), list[Example]()
    with progress.task("Synthesising", total) as task:
        writer = Writer(answer, spec.budget, CallJournal(journal), prices=prices, task=task)
        desks = _desks(spec, writer, seed, ledger, task)
        known = Known([e.question for e in examples], spec.novelty, encode)
        for method, source, desk in zip(spec.methods, sources, desks, strict=True):
            for drafts in _waves(method, source, desk, made):
                made += accept(drafts, spec, seeds, known, desk)
    begun = sum(desk.begun for desk in desks)
    _say(writer, begun, total, progress)
    _check_books(ledger, begun, len(made), spec)
    write_table(folder / "examples.parquet", [*examples, *made], Example)
    ledger.write(folder)
    summary = _summary(made, ledger, writer, begun)
    return _write_summary(folder, summary | {"seconds": round(time.monotonic() - started, 2)}, made)


def _write_summary(
    folder: Path, summary: dict[str, Any], made: Sequence[Example]
) -> dict[str, Any]:
    shown = [{"question": e.question, "answer": e.answer, "parent": e.parent} for e in made]
    told = json.dumps({**summary, "samples": shown[:SAMPLES]}, indent=2, ensure_ascii=False)
    (folder / "synthesize.json").write_text(told, encoding="utf-8")
    return summary


def _check_prices(budget: BudgetSpec, prices: Prices) -> None:
    if budget.max_cost is not None and prices == Prices():
        raise ConfigError(
            "`max_cost` limits nothing: the writer's tokens have no price",
            where="data.synthesize.budget.max_cost",
            mend="Set `prompt_price` and `completion_price` of `data.writer`, or use `max_tokens`.",
        )


def _sources(
    spec: SynthesizeSpec, seeds: Sequence[Example], documents: Sequence[Document]
) -> list[Sequence[Example] | Sequence[Document]]:
    """What each method writes from."""
    sources: list[Sequence[Example] | Sequence[Document]] = []
    for method in spec.methods:
        from_documents = isinstance(method, DocumentQuestions)
        source = documents if from_documents else seeds
        if not source:
            raise DataError(
                f"there is no {'document' if from_documents else 'training row'} to write from",
                where=f"data.synthesize.methods ({method.kind})",
                mend="Add a source, or leave this method out.",
            )
        sources.append(source)
    return sources


def _desks(
    spec: SynthesizeSpec, writer: Writer, seed: int, ledger: Ledger, task: Task
) -> list[Desk]:
    """One for each method, named by its kind and its number among those of this kind."""
    desks = []
    met: Counter[str] = Counter()
    for method in spec.methods:
        met[method.kind] += 1
        name = f"{method.kind} {met[method.kind]}"
        judged = spec.judge is not None
        desks.append(Desk(writer, spec.sampling, seed, ledger, name=name, judged=judged, task=task))
    return desks


def _say(writer: Writer, begun: int, total: int, progress: Progress) -> None:
    if writer.over:
        progress.say(
            f"The budget ended the writing: {begun:,} of {total:,} items were begun. "
            "With a larger one the next run goes on from here."
        )
    if writer.estimated:
        progress.say(
            f"Tokens of {writer.estimated:,} calls are estimated: the endpoint does not tell them."
        )


def _check_books(ledger: Ledger, begun: int, made: int, spec: SynthesizeSpec) -> None:
    ledger.check(rows_in=begun, rows_out=made, limit=1.0, stage="synthesize")
    if not begun or ledger.refused / begun <= spec.max_refused:
        return
    worst = ", ".join(f"{n} x {reason}" for reason, n in list(ledger.reasons().items())[:3])
    first = next(e for e in ledger.entries if e.reason in worst)
    raise LeakageError(
        f"{ledger.refused} of {begun} written items were refused, more than {spec.max_refused:.0%} "
        f"({worst}); the first, from {first.origin}: {' '.join(first.detail.split())!r}",
        where="data.synthesize.max_refused",
        mend="Let another model write, loosen the filter, or raise this limit (1.0: any number). "
        "The answers are kept: calls that stay the same are not made again.",
    )


def _summary(made: Sequence[Example], ledger: Ledger, writer: Writer, begun: int) -> dict[str, Any]:
    spent = {
        "calls": writer.spent.calls,
        "replayed": writer.spent.calls - writer.paid.calls,
        "without_answer": writer.failed,
        "tokens": writer.spent.tokens,
        "tokens_estimated_in": writer.estimated,
        "cost": writer.prices.of(writer.spent),
        "cost_of_this_run": writer.prices.of(writer.paid),
    }
    return {
        "begun": begun,
        "made": len(made),
        "methods": dict(Counter(e.id.split(":")[1] for e in made)),
        "refused": ledger.refused,
        "reasons": ledger.reasons(),
        "spent": spent,
        "budget_spent": writer.over,
        "journal": str(writer.journal.path),
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
    some_closed = any(e.closed for e in seeds)  # the writer is shown several at once
    standing = []
    for draft in drafts:
        problem = form_problem(draft, spec.form, labels) or known.problem(draft.question)
        if problem is None:
            standing.append(draft)
        else:
            desk.refuse(problem, draft.origin, draft.question)
    marks: list[str | None] = [None for _ in standing]
    if spec.judge is not None and standing:
        marks = judged(standing, spec.judge, desk.writer)
    made = []
    for draft, mark in zip(standing, marks, strict=True):
        if mark is None:
            closed = draft.closed or (some_closed and draft.method != "documents")
            made.append(_row(draft, closed))
            desk.finish()
        else:
            desk.refuse(mark, draft.origin, draft.question)
    return made


def _row(draft: Draft, closed: bool) -> Example:
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
        closed=closed,
    )


def _waves(
    method: MethodSpec, source: Sequence[Any], desk: Desk, pool: list[Example]
) -> Iterator[list[Draft]]:
    match method:
        case FewShot():
            return few_shot(method, source, desk)
        case SelfInstruct():
            return self_instruct(method, source, desk, pool)
        case Evolve():
            return evolve(method, source, desk)
        case DocumentQuestions():
            return document_questions(method, source, desk)
        case Grid():
            return grid(method, source, desk)
        case _:
            assert_never(method)
