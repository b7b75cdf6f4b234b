"""The ways of writing rows: each asks the model and yields drafts, or a line in the ledger.

Drafts come in waves. A wave is filtered and judged before the next is asked for, so that a budget
that ends costs no more than what is under way.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, TypeVar, assert_never

from pydantic import Field

from luthier.core.records import Document, Example
from luthier.core.spec import Spec
from luthier.data.duplicates import words_of
from luthier.data.synthesize.desk import Ask, Desk, not_again
from luthier.data.synthesize.drafts import Draft, from_document, from_row, pairs, shown

WAVE = 32
Item = TypeVar("Item", Example, Document)

DEEPER = (
    "Add one more condition that the answer must keep to.",
    "Ask for something more specific in place of something general.",
    "Make it need several steps of thought.",
    "Ask about the same subject in more depth.",
    "Ask about something rarer in the same field.",
)


class FewShot(Spec):
    """Rows like the training rows, which the model sees a few of."""

    kind: Literal["few-shot"] = "few-shot"
    count: int = Field(100, ge=1)
    """Calls; each may give one row."""
    shots: int = Field(4, ge=1, le=32)
    """Training rows shown in each call."""
    instruction: str = "Write one new example in the same form as these. It must differ from them."
    """What the model is told after the examples."""


class SelfInstruct(Spec):
    """A growing pool: new tasks are written from seed tasks and from tasks already written.

    Wang et al. 2023, Self-Instruct, section 2.2: each prompt shows six seed tasks and two of the
    model's own, and the novelty filter (ROUGE-L below 0.7) decides what joins the pool.
    """

    kind: Literal["self-instruct"] = "self-instruct"
    rounds: int = Field(5, ge=1)
    """How often the pool is extended."""
    per_round: int = Field(20, ge=1)
    """Calls in each round."""
    from_seeds: int = Field(6, ge=1)
    """Seed tasks shown in a call: training rows."""
    from_pool: int = Field(2, ge=0)
    """Written tasks shown in a call."""


class Evolve(Spec):
    """Training questions made harder, or varied, and answered anew.

    Xu et al. 2023, WizardLM (Evol-Instruct), section 3.
    """

    kind: Literal["evolve"] = "evolve"
    rows: int = Field(50, ge=1)
    """Training rows that are evolved."""
    depth: int = Field(2, ge=1, le=10)
    """How often each is evolved; every step may give a row."""
    strategies: tuple[str, ...] = Field(DEEPER, min_length=1)
    """Ways of evolving, one chosen for each step."""


class DocumentQuestions(Spec):
    """Questions written from documents, answered from them, and answered again to verify.

    Three calls for each question: write it, answer it, and answer it once more without knowing the
    first answer. The row stands only if both answers agree and the document supports the answer.
    """

    kind: Literal["documents"] = "documents"
    documents: int = Field(100, ge=1)
    """Documents that are asked about; none whose group is on another side than training."""
    per_document: int = Field(1, ge=1, le=20)
    """Questions for each."""
    max_characters: int = Field(3000, ge=100)
    """Longer documents are shown up to here."""
    min_support: float = Field(0.6, ge=0, le=1)
    """Share of the answer's words that must stand in the document."""
    min_agreement: float = Field(0.5, ge=0, le=1)
    """F1 of the words of the two answers."""


class Grid(Spec):
    """Rows for every combination of attributes, so that the writing varies.

    Personas and attributes as in Chan et al. 2024, Scaling Synthetic Data Creation with Personas.
    """

    kind: Literal["grid"] = "grid"
    attributes: dict[str, tuple[str, ...]] = Field(min_length=1)
    """``persona: [a nurse, a clerk]``, ``tone: [curt, polite]``: one of each in every call."""
    per_combination: int = Field(1, ge=1)
    """Calls for each combination."""
    shots: int = Field(2, ge=0, le=32)
    """Training rows shown in each call."""


MethodSpec = Annotated[
    FewShot | SelfInstruct | Evolve | DocumentQuestions | Grid, Field(discriminator="kind")
]


def planned(method: MethodSpec, sources: int) -> int:
    """How many rows a method would make if every one stood.

    Args:
        method: Settings.
        sources: Training rows, or documents, that there are.
    """
    match method:
        case FewShot():
            return method.count
        case SelfInstruct():
            return method.rounds * method.per_round
        case Evolve():
            return min(method.rows, sources) * method.depth
        case DocumentQuestions():
            return min(method.documents, sources) * method.per_document
        case Grid():
            return len(_combinations(method)) * method.per_combination
        case _:
            assert_never(method)


def few_shot(spec: FewShot, seeds: Sequence[Example], desk: Desk) -> Iterator[list[Draft]]:
    """See ``FewShot``."""
    for wave in _waves(spec.count):
        chosen = [_some(seeds, spec.shots, desk, f"{number}") for number in wave]
        asks = [
            Ask(f"{number}", f"{shown(rows)}\n\n{spec.instruction}", rows[0].origin)
            for number, rows in zip(wave, chosen, strict=True)
        ]
        yield desk.pairs(desk.ask(asks), spec.kind, [rows[0] for rows in chosen])


def self_instruct(
    spec: SelfInstruct, seeds: Sequence[Example], desk: Desk, pool: list[Example]
) -> Iterator[list[Draft]]:
    """See ``SelfInstruct``.

    Args:
        spec: Settings.
        seeds: Training rows.
        desk: What it writes with.
        pool: Rows accepted so far; whoever takes a round's drafts adds to it before the next.
    """
    for turn in range(spec.rounds):
        chosen, asks = [], []
        for number in range(spec.per_round):
            place = f"{turn}.{number}"
            rows = _some(seeds, spec.from_seeds, desk, place)
            rows += _some(pool, spec.from_pool, desk, f"{place} of the pool")
            prompt = (
                f"Come up with a new task. Here are some tasks.\n\n{shown(rows)}\n\n"
                "Write one task that is different from all of these, in the same form."
            )
            chosen.append(rows[0])
            asks.append(Ask(place, prompt, rows[0].origin))
        yield desk.pairs(desk.ask(asks), spec.kind, chosen)


def evolve(spec: Evolve, seeds: Sequence[Example], desk: Desk) -> Iterator[list[Draft]]:
    """See ``Evolve``."""
    rows = _first(seeds, spec.rows, desk)
    questions = {row.id: row.question for row in rows}
    for step in range(spec.depth):
        for wave in _waves(len(rows)):
            yield _evolved(spec, [rows[i] for i in wave], questions, step, desk)


def _evolved(
    spec: Evolve, rows: Sequence[Example], questions: dict[str, str], step: int, desk: Desk
) -> list[Draft]:
    """One step of some rows; ``questions`` holds what each has come to."""
    asks = []
    for row in rows:
        place = f"{step} {row.id}"
        way = desk.random(place).choice(spec.strategies)
        prompt = (
            f"Rewrite this question. {way} Reply with the new question only.\n\n"
            f"Question: {questions[row.id]}"
        )
        asks.append(Ask(place, prompt, row.origin))
    new = []
    for row, text in zip(rows, desk.ask(asks, after=1), strict=True):
        if text is None:
            continue
        question = text.strip().removeprefix("Question:").strip()
        if not question or words_of(question) == words_of(questions[row.id]):
            desk.refuse("question did not evolve", row.origin, question)
        else:
            new.append((row, question))
    answers = desk.ask([Ask(f"{step} {r.id} answer", q, r.origin) for r, q in new], begun=True)
    drafts = []
    for (row, question), answer in zip(new, answers, strict=True):
        if answer is None:
            continue
        if not answer.strip():
            desk.refuse("empty answer", row.origin, question)
        else:
            questions[row.id] = question
            drafts.append(from_row(question, answer, spec.kind, row))
    return drafts


def document_questions(
    spec: DocumentQuestions, documents: Sequence[Document], desk: Desk
) -> Iterator[list[Draft]]:
    """See ``DocumentQuestions``."""
    chosen = _first(documents, spec.documents, desk)
    for wave in _waves(len(chosen)):
        asked: dict[str, list[str]] = {chosen[i].id: [] for i in wave}
        for turn in range(spec.per_document):
            yield _answered(spec, [chosen[i] for i in wave], asked, turn, desk)


def _answered(
    spec: DocumentQuestions,
    documents: Sequence[Document],
    asked: dict[str, list[str]],
    turn: int,
    desk: Desk,
) -> list[Draft]:
    """One question for each document; ``asked`` holds those that it has been given before."""
    texts = {d.id: f"Text: {d.text[: spec.max_characters]}" for d in documents}
    asks = [
        Ask(
            f"{turn} {d.id}",
            f"{texts[d.id]}\n\nWrite a question that this text answers. Reply with it only."
            + not_again(asked[d.id]),
            d.origin,
        )
        for d in documents
    ]
    written = []
    for document, reply in zip(documents, desk.ask(asks, after=2), strict=True):
        if reply is None:
            continue
        question = reply.strip().removeprefix("Question:").strip()
        if question:
            asked[document.id].append(question)
            written.append((document, question))
        else:
            desk.refuse("empty question or answer", document.origin, question)
    prompt = "{}\n\nAnswer from this text only, in one or two sentences.\n\nQuestion: {}"
    asks = [Ask(f"{turn} {d.id} answer", prompt.format(texts[d.id], q), d.origin)
            for d, q in written]  # fmt: skip
    answers = desk.ask(asks, begun=True, after=1)
    found = [(d, q, a) for (d, q), a in zip(written, answers, strict=True) if a is not None]
    prompt = "Question: {}\n\nAnswer it in short, from this text.\n\n{}"
    asks = [Ask(f"{turn} {d.id} again", prompt.format(q, texts[d.id]), d.origin)
            for d, q, _ in found]  # fmt: skip
    drafts = []
    for (document, question, first), second in zip(found, desk.ask(asks, begun=True), strict=True):
        if second is None:
            continue
        problem = _doubt(first, second, document, spec)
        if problem is None:
            drafts.append(from_document(question, first, spec.kind, document))
        else:
            desk.refuse(problem[0], document.origin, problem[1])
    return drafts


def _doubt(
    first: str, second: str, document: Document, spec: DocumentQuestions
) -> tuple[str, str] | None:
    """Why an answer is not to be believed, and the words that show it."""
    if not first.strip():
        return "empty question or answer", first
    if support(first, document.text) < spec.min_support:
        return "answer not supported by its document", first
    if word_f1(first, second) < spec.min_agreement:
        return "two answers disagree", f"{first} | {second}"
    return None


def grid(spec: Grid, seeds: Sequence[Example], desk: Desk) -> Iterator[list[Draft]]:
    """See ``Grid``."""
    wanted = _combinations(spec)
    asked: dict[str, list[str]] = {one: [] for one in wanted}
    for turn in range(spec.per_combination):
        for wave in _waves(len(wanted)):
            chosen, asks = [], []
            for one in (wanted[i] for i in wave):
                rows = _some(seeds, max(spec.shots, 1), desk, f"{turn} {one}")
                form = shown(rows[: spec.shots]) or "Question: ...\nAnswer: ..."
                prompt = f"{form}\n\nWrite one new example in the same form, with {one}."
                chosen.append((one, rows[0]))
                asks.append(Ask(f"{turn} {one}", prompt + not_again(asked[one]), rows[0].origin))
            replies = desk.ask(asks)
            for (one, _), reply in zip(chosen, replies, strict=True):
                asked[one] += [question for question, _ in pairs(reply or "")[:1]]
            yield desk.pairs(replies, spec.kind, [row for _, row in chosen])


def _combinations(spec: Grid) -> list[str]:
    """One of each attribute, in words."""
    chosen = itertools.product(*([f"{k}: {v}" for v in vs] for k, vs in spec.attributes.items()))
    return list(dict.fromkeys(", ".join(values) for values in chosen))


def _waves(number: int) -> Iterator[range]:
    """Numbers of the items that are worked on together."""
    for at in range(0, number, WAVE):
        yield range(at, min(at + WAVE, number))


def _some(rows: Sequence[Example], number: int, desk: Desk, place: str) -> list[Example]:
    return desk.random(place).sample(list(rows), min(number, len(rows)))


def _first(items: Sequence[Item], number: int, desk: Desk) -> list[Item]:
    """So many of them in a random order that more of them, or other ones, don't change."""
    return sorted(items, key=lambda item: desk.random(item.id).random())[:number]


def support(answer: str, text: str) -> float:
    """Share of an answer's distinct words that stand in a text, 0 to 1."""
    words = set(words_of(answer))
    return len(words & set(words_of(text))) / len(words) if words else 0.0


def word_f1(one: str, other: str) -> float:
    """F1 of the distinct words of two texts, 0 to 1."""
    mine, theirs = set(words_of(one)), set(words_of(other))
    return 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine and theirs else 0.0
