"""How routes answer: what no document supports, whether the form is right, what has a source."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from luthier.core.records import Example, Passage
from luthier.data.alike import words
from luthier.evaluate import metrics
from luthier.evaluate.answers import ItemResult
from luthier.evaluate.metrics import FORM
from luthier.rag.cite import cite
from luthier.rag.support import SupportSpec, check

NEAR = 10
"""Passages that an answer is held against, besides those it was given."""


class Corpus(Protocol):
    """All documents, to look for what supports an answer."""

    def near(self, texts: Sequence[str], count: int) -> list[list[Passage]]:
        """For each text the passages that share most words with it."""

    def of_document(self, document_id: str) -> list[Passage]:
        """The passages of a document, in order; none if it is not there."""


def refuses(row: ItemResult, sentences: Collection[str] = ()) -> bool:
    """Whether an answer is none: empty, or it says that there is none.

    Args:
        row: The answer.
        sentences: What this project says where it does not answer.
    """
    return metrics.refuses(row.answer, sentences)


def data(row: ItemResult) -> bool:
    """Whether the answer wanted is data in a given shape rather than words."""
    return row.kind == FORM or isinstance(_read(row.reference), dict | list)


def unsupported(
    rows: Sequence[ItemResult],
    shown: Mapping[str, Passage],
    corpus: Corpus,
    sentences: Collection[str] = (),
) -> list[float | None]:
    """1 for each answer with a sentence that no document bears out (a hallucination), else 0.

    A sentence is held against the passages that the route saw, those of the document that holds
    the right answer, and the ten of all documents nearest to question and answer; see
    ``luthier.rag.support`` for the rules. What they cannot see, paraphrase, counts as unsupported;
    so does a short answer that stands where something else is told than what was asked.

    Args:
        rows: Answers of one route.
        shown: The passages named in them, by id.
        corpus: All documents.
        sentences: What this project says where it does not answer.

    Returns:
        None for data, for refusals, and for answers that claim nothing.
    """
    spec = SupportSpec(unsupported="keep")
    asked = [i for i, row in enumerate(rows) if not data(row) and not refuses(row, sentences)]
    near = corpus.near([f"{rows[i].question}\n{rows[i].answer}" for i in asked], NEAR)
    made: list[float | None] = [None] * len(rows)
    for i, around in zip(asked, near, strict=True):
        row = rows[i]
        given = {p.id: p for p in [*(shown[one] for one in row.passage_ids), *around]}
        _, told, _ = check(row.answer, tuple(given.values()), spec, row.question)
        claims = [one.supported for one in told if one.supported is not None]
        if claims:
            made[i] = float(not all(claims))
    return made


def in_form(row: ItemResult) -> float:
    """1 if an answer has the form of the reference, whatever it says, else 0.

    Data must be JSON with the reference's keys. Words must end by themselves, be between half and
    twice as long as the reference (three words more or less never count), and end in a full stop
    if and only if the reference does.
    """
    if data(row):
        said, wanted = _read(row.answer), _read(row.reference)
        if isinstance(wanted, dict):
            return float(isinstance(said, dict) and set(said) == set(wanted))
        return float(type(said) is type(wanted))
    if row.finish_reason != "stop" or not row.answer.strip():
        return 0.0
    said_words, wanted_words = len(row.answer.split()), len(row.reference.split())
    apart = abs(said_words - wanted_words)
    long_enough = apart <= 3 or wanted_words / 2 <= said_words <= wanted_words * 2
    return float(long_enough and _stops(row.answer) == _stops(row.reference))


def sourced(row: ItemResult) -> float:
    """1 if a passage that verifiably supports the answer is named with it, else 0."""
    return float(bool(row.citations))


def same_content(row: ItemResult) -> bool:
    """Whether an answer says what the reference says, badly formed or not.

    Data must hold the reference's values in their order; words must hold the reference as one run.
    """
    said, wanted = words(row.answer), words(row.reference)
    if not wanted:
        return False
    if data(row):
        return said == wanted or _values(row.answer) == _values(row.reference) != []
    return any(said[i : i + len(wanted)] == wanted for i in range(len(said) - len(wanted) + 1))


def holding(item: Example, corpus: Corpus) -> list[Passage]:
    """The passages that hold the right answer; none if the documents do not.

    Where the document is known they are those of it that say the reference, or all of it where
    none does so word by word (data never does). Where it is not, those of the nearest that say it.
    """
    if item.document_id:
        own = corpus.of_document(item.document_id)
        return saying(item.answer, own) or own
    [near] = corpus.near([f"{item.question}\n{item.answer}"], NEAR)
    return saying(item.answer, near)


def saying(reference: str, passages: Sequence[Passage]) -> list[Passage]:
    """Those passages that say a reference."""
    there = set(cite(reference, passages))
    return [p for p in passages if p.id in there]


def _stops(text: str) -> bool:
    return text.rstrip().endswith((".", "!", "?"))


@functools.lru_cache(maxsize=4096)
def _read(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _values(text: str) -> list[str]:
    """The values of an answer's first object, as words; its keys left out."""
    start, end = text.find("{"), text.rfind("}")
    told = _read(text[start : end + 1]) if 0 <= start < end else None
    return words(json.dumps(list(told.values()))) if isinstance(told, dict) else []
