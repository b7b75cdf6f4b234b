"""The ways of writing rows: each asks the model and yields drafts, or a line in the ledger."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.core.spec import Spec
from luthier.data.duplicates import words_of
from luthier.data.synthesize.drafts import Draft, from_document, from_row, pairs, shown
from luthier.data.synthesize.writer import Writer
from luthier.models.generate import Sampling

UNREADABLE = "no question and answer in the reply"
SPENT = "budget spent"

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


class Desk:
    """What every method writes with.

    Args:
        writer: The model, with its budget.
        sampling: How it chooses; every call gets a seed of its own.
        seed: Decides which rows are shown.
        ledger: Gets a line for each reply that gives no row.
    """

    def __init__(self, writer: Writer, sampling: Sampling, seed: int, ledger: Ledger) -> None:
        self.writer, self.sampling, self.ledger = writer, sampling, ledger
        self.random = random.Random(seed)
        self.replies = 0
        self._asked = 0

    def ask(self, prompts: Sequence[str]) -> list[str | None]:
        """Answers to single questions; None where the budget is spent."""
        answers: list[str | None] = []
        for at in range(0, len(prompts), self.writer.batch):
            part = [[Message("user", p)] for p in prompts[at : at + self.writer.batch]]
            self._asked += 1
            sampling = self.sampling.model_copy(update={"seed": self.sampling.seed + self._asked})
            answers += self.writer.ask(part, sampling)
        return answers

    def pair(self, reply: str | None, method: str, source: Example) -> Iterator[Draft]:
        """The first pair of a reply as a draft."""
        if reply is None:
            return
        self.replies += 1
        found = pairs(reply)
        if found:
            yield from_row(*found[0], method, source)
        else:
            self.ledger.refuse(UNREADABLE, source.origin, reply)


def few_shot(spec: FewShot, seeds: Sequence[Example], desk: Desk) -> Iterator[Draft]:
    """See ``FewShot``."""
    chosen = [
        desk.random.sample(list(seeds), min(spec.shots, len(seeds))) for _ in range(spec.count)
    ]
    replies = desk.ask([f"{shown(rows)}\n\n{spec.instruction}" for rows in chosen])
    for rows, reply in zip(chosen, replies, strict=True):
        yield from desk.pair(reply, spec.kind, rows[0])


def self_instruct(
    spec: SelfInstruct, seeds: Sequence[Example], desk: Desk, pool: list[Example]
) -> Iterator[Draft]:
    """See ``SelfInstruct``.

    Args:
        spec: Settings.
        seeds: Training rows.
        desk: What it writes with.
        pool: Rows accepted so far; whoever takes the drafts adds to it between the rounds.
    """
    for _ in range(spec.rounds):
        chosen = []
        for _ in range(spec.per_round):
            rows = desk.random.sample(list(seeds), min(spec.from_seeds, len(seeds)))
            chosen.append([*rows, *desk.random.sample(pool, min(spec.from_pool, len(pool)))])
        prompts = [
            f"Come up with a new task. Here are some tasks.\n\n{shown(rows)}\n\n"
            "Write one task that is different from all of these, in the same form."
            for rows in chosen
        ]
        for rows, reply in zip(chosen, desk.ask(prompts), strict=True):
            yield from desk.pair(reply, spec.kind, rows[0])


def evolve(spec: Evolve, seeds: Sequence[Example], desk: Desk) -> Iterator[Draft]:
    """See ``Evolve``."""
    rows = desk.random.sample(list(seeds), min(spec.rows, len(seeds)))
    questions = {row.id: row.question for row in rows}
    for _ in range(spec.depth):
        ways = [desk.random.choice(spec.strategies) for _ in rows]
        evolved = desk.ask(
            [
                f"Rewrite this question. {way} Reply with the new question only.\n\n"
                f"Question: {questions[row.id]}"
                for row, way in zip(rows, ways, strict=True)
            ]
        )
        new = [
            (row, text.strip().removeprefix("Question:").strip())
            for row, text in zip(rows, evolved, strict=True)
            if text is not None
        ]
        for (row, question), answer in zip(new, desk.ask([q for _, q in new]), strict=True):
            if answer is None:
                continue
            desk.replies += 1
            if not question or words_of(question) == words_of(questions[row.id]):
                desk.ledger.refuse("question did not evolve", row.origin, question)
            elif not answer.strip():
                desk.ledger.refuse("empty answer", row.origin, question)
            else:
                questions[row.id] = question
                yield from_row(question, answer, spec.kind, row)


def document_questions(
    spec: DocumentQuestions, documents: Sequence[Document], desk: Desk
) -> Iterator[Draft]:
    """See ``DocumentQuestions``."""
    chosen = desk.random.sample(list(documents), min(spec.documents, len(documents)))
    sources = [d for d in chosen for _ in range(spec.per_document)]
    texts = [f"Text: {d.text[: spec.max_characters]}" for d in sources]
    written = desk.ask(
        [f"{t}\n\nWrite a question that this text answers. Reply with it only." for t in texts]
    )
    asked = [
        (d, t, q.strip().removeprefix("Question:").strip())
        for d, t, q in zip(sources, texts, written, strict=True)
        if q is not None
    ]
    prompt = "{}\n\nAnswer from this text only, in one or two sentences.\n\nQuestion: {}"
    answers = desk.ask([prompt.format(t, q) for _, t, q in asked])
    again = desk.ask([f"Question: {q}\n\nAnswer it in short, from this text.\n\n{t}"
                      for _, t, q in asked])  # fmt: skip
    for (document, _, question), first, second in zip(asked, answers, again, strict=True):
        if first is None or second is None:
            continue
        desk.replies += 1
        if not question or not first.strip():
            desk.ledger.refuse("empty question or answer", document.origin, question)
        elif support(first, document.text) < spec.min_support:
            desk.ledger.refuse("answer not supported by its document", document.origin, first)
        elif word_f1(first, second) < spec.min_agreement:
            desk.ledger.refuse("two answers disagree", document.origin, f"{first} | {second}")
        else:
            yield from_document(question, first, spec.kind, document)


def grid(spec: Grid, seeds: Sequence[Example], desk: Desk) -> Iterator[Draft]:
    """See ``Grid``."""
    combinations: list[dict[str, str]] = [{}]
    for name, values in spec.attributes.items():
        combinations = [{**c, name: value} for c in combinations for value in values]
    chosen, prompts = [], []
    for combination in combinations:
        for _ in range(spec.per_combination):
            rows = desk.random.sample(list(seeds), min(max(spec.shots, 1), len(seeds)))
            wanted = ", ".join(f"{name}: {value}" for name, value in combination.items())
            form = shown(rows[: spec.shots]) or "Question: ...\nAnswer: ..."
            prompts.append(f"{form}\n\nWrite one new example in the same form, with {wanted}.")
            chosen.append(rows[0])
    for row, reply in zip(chosen, desk.ask(prompts), strict=True):
        yield from desk.pair(reply, spec.kind, row)


def support(answer: str, text: str) -> float:
    """Share of an answer's distinct words that stand in a text, 0 to 1."""
    words = set(words_of(answer))
    return len(words & set(words_of(text))) / len(words) if words else 0.0


def word_f1(one: str, other: str) -> float:
    """F1 of the distinct words of two texts, 0 to 1."""
    mine, theirs = set(words_of(one)), set(words_of(other))
    return 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine and theirs else 0.0
