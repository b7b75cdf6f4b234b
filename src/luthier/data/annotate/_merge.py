"""From what people, functions and models say to labelled rows and a queue for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Example, Message
from luthier.data.annotate import query
from luthier.data.annotate._guess import Guess
from luthier.data.annotate.adjudicate import Resolved
from luthier.data.annotate.items import KINDS, Item, in_batches
from luthier.data.annotate.query import Queued, QueueSpec
from luthier.models.encode import Vectors

By = Literal["source", "people", "functions", "automatic"]
Encode = Callable[[Sequence[str]], Vectors]
ENCODED = 4096  # texts encoded at once: sorted by length among themselves


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """One row's label, as ``labelled.parquet`` holds it.

    Attributes:
        row_id: The row.
        label: What it is.
        by: Who said so.
        confidence: 0 to 1; 1 for what the source said.
    """

    row_id: str
    label: str
    by: By
    confidence: float


def merge(
    items: Iterable[Item],
    people: Mapping[str, Resolved],
    guesses: Mapping[By, Guess],
    order: Sequence[By],
    names: Sequence[str],
) -> dict[str, Given]:
    """The label of each row that has one: the source's, then people's, then as ``order`` says.

    Rows on which people disagree have none: they wait for the adjudicator.
    """
    given: dict[str, Given] = {}
    for number, item in enumerate(items):
        said = people.get(item.id)
        if item.label:
            given[item.id] = Given(item.id, item.label, "source", 1.0)
        elif said is not None:
            if said.label:
                given[item.id] = Given(item.id, said.label, "people", said.confidence)
        else:
            for by in order:
                guess = guesses.get(by)
                if guess is not None and guess.best[number] >= 0:
                    label = names[guess.best[number]]
                    given[item.id] = Given(item.id, label, by, float(guess.confidence[number]))
                    break
    return given


def best_guess(guesses: Mapping[By, Guess]) -> Guess | None:
    """The guess that uncertainty is measured on: the model's, or else the functions'."""
    return guesses.get("automatic") or guesses.get("functions")


def queue_of(
    spec: QueueSpec,
    items: Collection[Item],
    given: Mapping[str, Given],
    people: Mapping[str, Resolved],
    guess: Guess | None,
    names: Sequence[str],
    vectors: Vectors | None,
    encode: Encode | None,
    seed: int,
) -> list[Queued]:
    """The open rows that people should label next, the first to be labelled first."""
    rows, ids, labelled = [], [], []
    for number, item in enumerate(items):
        if item.id in given:
            if given[item.id].by == "people":
                labelled.append(number)
        elif item.id not in people:
            rows.append(number)
            ids.append(item.id)
    if not rows or spec.size == 0:
        return []
    asked = guess is not None and bool(guess.probabilities[rows].any())
    strategy = query.usable(spec.strategy, predictions=asked, vectors=encode is not None)
    if strategy in query.NEEDS_VECTORS and vectors is None and encode is not None:
        vectors = vectors_of(items, encode)
    chosen = query.choose(
        strategy,
        spec.size,
        ids,
        seed=seed,
        probabilities=guess.probabilities[rows] if guess is not None else None,
        vectors=vectors[rows] if vectors is not None else None,
        labelled=vectors[labelled] if vectors is not None else None,
    )
    wanted = {rows[place]: rank for rank, place in enumerate(chosen, start=1)}
    queue = []
    for number, item in enumerate(items):
        if number not in wanted:
            continue
        said, confidence = "", 0.0
        if guess is not None and guess.probabilities[number].any():
            said = names[int(guess.probabilities[number].argmax())]
            confidence = float(guess.confidence[number])
        rank = wanted[number]
        queue.append(Queued(item.id, rank, strategy, item.text, item.origin, said, confidence))
    return sorted(queue, key=lambda one: one.rank)


def vectors_of(items: Iterable[Item], encode: Encode) -> Vectors:
    """Vectors of all items, encoded some thousands at a time."""
    return np.concatenate([encode([i.text for i in b]) for b in in_batches(items, ENCODED)])


def label_rows(
    rows: Iterable[Example], given: Mapping[str, Given], ledger: Ledger
) -> list[Example]:
    """Examples, those without a label with the one they are given; their answers stay."""
    labelled = []
    for row in rows:
        one = given.get(row.id)
        if one is not None and not row.label:
            ledger.change(f"labelled by {one.by}", row.origin, one.label)
            labelled.append(dataclasses.replace(row, label=one.label))
        else:
            labelled.append(row)
    return labelled


def label_documents(
    documents: Iterable[Document],
    given: Mapping[str, Given],
    taken: Container[str],
    unlabelled: Literal["keep", "refuse"],
    ledger: Ledger,
) -> tuple[list[Document], list[Example]]:
    """Documents that stay documents, and examples made of the others.

    A labelled document becomes an example whose answer is the label.

    Args:
        documents: All, or some of them.
        given: Labels by id.
        taken: Ids of the examples there are already.
        unlabelled: What becomes of a text without a label.
        ledger: Gets a line for each that is labelled or refused.
    """
    kept, labelled = [], []
    for document in documents:
        one = given.get(document.id)
        if document.kind not in KINDS:
            kept.append(document)
        elif document.id in taken:
            ledger.refuse("name already taken by a row", document.origin, document.id)
        elif one is not None:
            ledger.change(f"labelled by {one.by}", document.origin, one.label)
            labelled.append(_example(document, one.label))
        elif unlabelled == "keep":
            kept.append(document)
        else:
            ledger.refuse("no label", document.origin, document.text)
    return kept, labelled


def _example(document: Document, label: str) -> Example:
    return Example(
        document.id,
        (Message("user", document.text), Message("assistant", label)),
        document.origin,
        document.group,
        "row",
        document_id=document.id,
        label=label,
        closed=EVERYONE not in document.access,
    )
