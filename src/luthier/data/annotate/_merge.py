"""From what people, functions and models say to labelled rows and a queue for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.data.annotate import query
from luthier.data.annotate._guess import Guess
from luthier.data.annotate.adjudicate import Resolved
from luthier.data.annotate.items import KINDS, Item
from luthier.data.annotate.query import Queued, QueueSpec
from luthier.models.encode import Vectors

By = Literal["source", "people", "functions", "automatic"]
Encode = Callable[[Sequence[str]], Vectors]


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
    items: Sequence[Item],
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
    items: Sequence[Item],
    given: Mapping[str, Given],
    people: Mapping[str, Resolved],
    guess: Guess | None,
    names: Sequence[str],
    vectors: Vectors | None,
    encode: Encode | None,
    seed: int,
) -> list[Queued]:
    """The open rows that people should label next, the first to be labelled first."""
    rows = [n for n, i in enumerate(items) if i.id not in given and i.id not in people]
    if not rows or spec.size == 0:
        return []
    asked = guess is not None and bool(guess.probabilities[rows].any())
    strategy = query.usable(spec.strategy, predictions=asked, vectors=encode is not None)
    if strategy in query.NEEDS_VECTORS and vectors is None and encode is not None:
        vectors = encode([item.text for item in items])
    labelled = [n for n, i in enumerate(items) if i.id in given and given[i.id].by == "people"]
    chosen = query.choose(
        strategy,
        spec.size,
        [items[n].id for n in rows],
        seed=seed,
        probabilities=guess.probabilities[rows] if guess is not None else None,
        vectors=vectors[rows] if vectors is not None else None,
        labelled=vectors[labelled] if vectors is not None else None,
    )
    queue = []
    for rank, place in enumerate(chosen, start=1):
        number = rows[place]
        item, said, confidence = items[number], "", 0.0
        if guess is not None and guess.probabilities[number].any():
            said = names[int(guess.probabilities[number].argmax())]
            confidence = float(guess.confidence[number])
        queue.append(Queued(item.id, rank, strategy, item.text, item.origin, said, confidence))
    return queue


def label_rows(
    documents: Sequence[Document],
    rows: Sequence[Example],
    given: Mapping[str, Given],
    unlabelled: Literal["keep", "refuse"],
    ledger: Ledger,
) -> tuple[list[Document], list[Example]]:
    """Documents that stay documents, and all examples.

    A labelled document becomes an example whose answer is the label. An example without label
    gets one and keeps its answer.
    """
    labelled = []
    for row in rows:
        one = given.get(row.id)
        if one is not None and not row.label:
            ledger.change(f"labelled by {one.by}", row.origin, one.label)
            labelled.append(dataclasses.replace(row, label=one.label))
        else:
            labelled.append(row)
    taken = {row.id for row in rows}
    kept = []
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
    )
