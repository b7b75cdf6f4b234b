"""What each route answered to each item, row by row, as it is kept in Parquet."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from luthier.core.records import Passage, read_table, write_table

ANSWERS = "answers.parquet"
PASSAGES = "passages.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class ItemResult:
    """One route's answer to one item.

    Attributes:
        route: ``base``, ``few-shot``, ``rag``, ``fine-tuned``, ``rag+fine-tuned``,
            ``classifier``.
        item_id: Id of the test example.
        kind: Kind of question.
        group: Group of the test example; intervals resample whole groups.
        origin: Where the reference answer stands (``file:line``).
        question: The last user turn.
        reference: The answer wanted.
        answer: The answer given; "" if the prompt did not fit.
        token_f1: 0 to 1.
        exact_match: Normalised equality (the same characters for kind ``form``).
        json_match: Equality as JSON; None unless the kind is ``form``.
        faithfulness: Share of the answer backed by the passages; None without passages.
        source_found: Whether a passage in the prompt comes from the document that holds the
            answer; None without passages or without such a document.
        nll_nats: Negative log-likelihood of the reference; None where the route has none.
        reference_tokens: Tokens that ``nll_nats`` sums over, the stop token included.
        prompt_tokens: Length of the prompt in the route's own tokens.
        completion_tokens: Length of the answer in the route's own tokens.
        finish_reason: ``stop``; ``length``: cut off at the limit; ``context``: did not fit.
        passage_ids: Passages in the prompt, best first.
        citations: Ids of the passages that verifiably support the answer.
        latency_s: Seconds for this item asked alone; None unless measured.
    """

    route: str
    item_id: str
    kind: str
    group: str
    origin: str
    question: str
    reference: str
    answer: str
    token_f1: float
    exact_match: bool
    json_match: bool | None
    faithfulness: float | None
    source_found: bool | None
    nll_nats: float | None
    reference_tokens: int | None
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    passage_ids: tuple[str, ...]
    citations: tuple[str, ...]
    latency_s: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class SampleAnswer:
    """One route's answer to a sample question.

    Attributes:
        route: Who answered.
        text: The answer.
        token_f1: 0 to 1.
        finish_reason: As in ``ItemResult``.
        passages: What stood in the prompt, best first.
        citations: Ids of the passages that verifiably support the answer.
    """

    route: str
    text: str
    token_f1: float
    finish_reason: str
    passages: tuple[Passage, ...] = ()
    citations: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A test question with every route's answer, for reading side by side."""

    question: str
    kind: str
    reference: str
    origin: str
    answers: tuple[SampleAnswer, ...]


def write_answers(folder: Path, rows: list[ItemResult], passages: dict[str, Passage]) -> None:
    """Write ``answers.parquet`` and the passages it names, ``passages.parquet``."""
    write_table(folder / ANSWERS, rows, ItemResult)
    write_table(folder / PASSAGES, passages.values(), Passage)


def read_answers(folder: Path) -> list[ItemResult]:
    """Read the rows of a comparison back: route by route, items in their order."""
    return read_table(folder / ANSWERS, ItemResult)


def read_passages(folder: Path) -> dict[str, Passage]:
    """Every passage that stood in a prompt of a comparison, by id."""
    return {passage.id: passage for passage in read_table(folder / PASSAGES, Passage)}


def samples(folder: Path, per_kind: int = 4) -> tuple[Sample, ...]:
    """A few items of a comparison, kinds in turn, with all routes' answers.

    Items are taken in their stored order, which hashes decide: not the ones that look best.
    """
    passages = read_passages(folder)
    by_item: dict[str, list[ItemResult]] = {}
    for row in read_answers(folder):
        by_item.setdefault(row.item_id, []).append(row)
    by_kind: dict[str, list[list[ItemResult]]] = {}
    for rows in by_item.values():
        by_kind.setdefault(rows[0].kind, []).append(rows)
    kinds = sorted(by_kind)
    return tuple(
        _sample(by_kind[kind][i], passages)
        for i in range(per_kind)
        for kind in kinds
        if i < len(by_kind[kind])
    )


def _sample(rows: list[ItemResult], passages: dict[str, Passage]) -> Sample:
    answers = tuple(
        SampleAnswer(
            route=row.route,
            text=row.answer,
            token_f1=row.token_f1,
            finish_reason=row.finish_reason,
            passages=tuple(passages[i] for i in row.passage_ids),
            citations=row.citations,
        )
        for row in rows
    )
    first = rows[0]
    return Sample(first.question, first.kind, first.reference, first.origin, answers)
