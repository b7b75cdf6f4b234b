"""Annotate: merge labels by people, by labelling functions and by a model into the rows.

Reads what cleaning wrote and fills a folder with the same three tables, ``queue.parquet`` (what
people should label next), ``labelled.parquet`` (who labelled which row, how surely) and
``annotate.json``.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from luthier.core.errors import ConfigError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, TableWriter, iterate_table, write_table
from luthier.core.spec import Spec, digest_file, digest_of
from luthier.data.annotate import query
from luthier.data.annotate._filled import Scheme, read_utf8
from luthier.data.annotate._guess import (
    AutomaticSpec,
    FunctionsSpec,
    Guess,
    Means,
    by_automatic,
    by_functions,
)
from luthier.data.annotate._merge import (
    By,
    Encode,
    Given,
    best_guess,
    label_documents,
    label_rows,
    merge,
    queue_of,
    vectors_of,
)
from luthier.data.annotate.adjudicate import Resolve, Resolved, disagreements, reliability, resolve
from luthier.data.annotate.agreement import Level, agreement, alike, table
from luthier.data.annotate.autolabel import EncoderLabels, ModelLabels
from luthier.data.annotate.functions import EncoderFunction, ModelFunction, PythonFunction
from luthier.data.annotate.items import Item, TableItems
from luthier.data.annotate.label_model import ABSTAIN
from luthier.data.annotate.labels import Label, current, in_scheme, read_labels, votes_of
from luthier.data.annotate.query import Queued, QueueSpec
from luthier.data.annotate.tasks import NAME
from luthier.data.clean._books import Books
from luthier.models.encode import Vectors
from luthier.models.generate import Generate

ANNOTATE_VERSION = 4

BATCH_ROWS = 8192
Whole = npt.NDArray[np.int64]


class PeopleSpec(Spec):
    """Who labels, where their labels are kept, and how they become one."""

    labels: str = "annotation/labels.parquet"
    """Where saved labels stand, relative to the project file."""
    annotators: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    """Who labels; one file is exported for each."""
    overlap: int = Field(default=1, ge=1)
    """How many annotators label each row; agreement needs two."""
    resolve: Resolve = "majority"
    """How several labels become one: `majority`, or `dawid-skene` (weighted by reliability)."""
    adjudicator: Annotated[str, Field(pattern=NAME)] = "adjudicator"
    """Who decides where annotators disagree; their label wins."""
    level: Level = "nominal"
    """Scale of the labels for Krippendorff's alpha: `nominal`, `ordinal` (in the order of
    `labels`) or `interval` (labels are numbers)."""

    @model_validator(mode="after")
    def _enough(self) -> PeopleSpec:
        if len(set(self.annotators)) < len(self.annotators):
            raise ValueError("an annotator is named twice")
        if self.annotators and self.overlap > len(self.annotators):
            raise ValueError(
                f"`overlap` asks for {self.overlap} labels for each row, and there are "
                f"{len(self.annotators)} annotators: name more, or lower it"
            )
        return self


class AnnotateSpec(Spec):
    """What rows may be labelled with, and by whom."""

    labels: tuple[str, ...] = Field(min_length=2)
    """All labels, in their order where they have one."""
    guidelines: str = ""
    """A text file that tells annotators how to decide, relative to the project file."""
    people: PeopleSpec = PeopleSpec()
    """Labels by people."""
    functions: FunctionsSpec | None = None
    """Labels by labelling functions; none if null."""
    automatic: AutomaticSpec | None = None
    """Labels by a model or by a classifier on the encoder; none if null."""
    order: tuple[Literal["functions", "automatic"], ...] = ("functions", "automatic")
    """Whose label counts first where people gave none."""
    queue: QueueSpec = QueueSpec()
    """Which rows people should label next."""
    unlabelled: Literal["keep", "refuse"] = "keep"
    """Whether texts without a label stay documents, or are left out with a line in the ledger."""
    max_refused: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of refused rows that is not an error."""

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        folded = [" ".join(label.split()).casefold() for label in labels]
        if "" in folded:
            raise ValueError("a label is empty")
        if twice := [x for x, n in zip(labels, folded, strict=True) if folded.count(n) > 1]:
            raise ValueError(f"labels must differ by more than case and spaces: {twice}")
        return labels

    @field_validator("order")
    @classmethod
    def _once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(order)) < len(order):
            raise ValueError("each may come once")
        return order


def scheme_of(spec: AnnotateSpec, base: Path) -> Scheme:
    """Labels and guidelines as ``export_tasks`` wants them.

    Raises:
        DataError: The guidelines cannot be read.
    """
    return Scheme(spec.labels, read_utf8(base / spec.guidelines) if spec.guidelines else "")


def annotate_digest(spec: AnnotateSpec, base: Path) -> str:
    """A digest of what else decides the labels: those saved by people, and Python functions."""
    files = [base / spec.people.labels]
    for one in spec.functions.functions if spec.functions else ():
        if isinstance(one, PythonFunction):
            files.append(base / one.function.rpartition(":")[0])
    return digest_of([digest_file(path) if path.is_file() else "" for path in files])


def needs_encoder(spec: AnnotateSpec) -> bool:
    """Whether any setting asks for vectors."""
    functions = spec.functions.functions if spec.functions else ()
    return (
        isinstance(spec.automatic, EncoderLabels)
        or any(isinstance(one, EncoderFunction) for one in functions)
        or (spec.queue.size > 0 and spec.queue.strategy in query.NEEDS_VECTORS)
    )


def needs_model(spec: AnnotateSpec) -> bool:
    """Whether any setting asks for a model that answers."""
    functions = spec.functions.functions if spec.functions else ()
    return isinstance(spec.automatic, ModelLabels) or any(
        isinstance(one, ModelFunction) for one in functions
    )


def annotate(
    spec: AnnotateSpec,
    cleaned: Path,
    folder: Path,
    progress: Progress,
    *,
    base: Path,
    seed: int,
    encode: Encode | None = None,
    answer: Generate | None = None,
) -> dict[str, Any]:
    """Give rows their labels: people's first, then in the order the settings say.

    A labelled document becomes an example whose answer is the label; an example without label
    gets one beside its answer. Rows on which people disagree wait for the adjudicator.

    Args:
        spec: The stage's settings.
        cleaned: A folder with ``documents.parquet`` and ``rows.parquet``.
        folder: Where the tables go.
        progress: Told what is being done.
        base: Folder that relative paths start from.
        seed: Of folds, bootstrap samples and the queue.
        encode: Turns texts into vectors, where the settings ask for an encoder.
        answer: A model, where the settings ask for one.

    Returns:
        Counts, agreement, what functions and model are worth, and seconds, as plain JSON.

    Raises:
        ConfigError: The settings ask for an encoder or a model that wasn't given.
        DataError: A user's file cannot be used.
        LeakageError: More rows were refused than ``max_refused`` allows.
    """
    started = time.monotonic()
    ledger = Ledger()
    items = TableItems(cleaned)
    means = Means(base, seed, ledger, progress, _vectors(spec, items, encode), answer)
    given, queue, told = _label(spec, items, means, encode)
    with Books(folder) as books:
        books.add(ledger.entries)
        rows_in, documents, rows = _label_tables(spec, cleaned, folder, given, books)
    books.check(
        rows_in=rows_in, rows_out=documents + rows, limit=spec.max_refused, stage="annotate"
    )
    write_table(folder / query.FILE_NAME, queue, Queued)
    with TableWriter(folder / "labelled.parquet", Given) as writer:
        left = iter(given.values())
        while batch := list(itertools.islice(left, BATCH_ROWS)):
            writer.write(batch)
    summary = {
        "documents": documents,
        "rows": rows,
        **_told(given, queue, books),
        **told,
        "seconds": round(time.monotonic() - started, 2),
    }
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (folder / "annotate.json").write_text(text, encoding="utf-8")
    return summary


def _label(
    spec: AnnotateSpec, items: Collection[Item], means: Means, encode: Encode | None
) -> tuple[dict[str, Given], list[Queued], dict[str, Any]]:
    """Labels, the queue, and what is told of people, functions and model."""
    rules = spec.people
    saved, aside = in_scheme(read_labels(means.base / rules.labels), spec.labels)
    people = resolve(saved, spec.labels, how=rules.resolve, adjudicator=rules.adjudicator)
    known, settled, counts = _known(items, people, spec.labels)
    guesses, told = _guesses(spec, items, known, settled, means)
    given = merge(items, people, guesses, spec.order, spec.labels)
    guess = best_guess(guesses)
    queue = queue_of(
        spec.queue, items, given, people, guess, spec.labels, means.vectors, encode, means.seed
    )
    heard = _people(spec, items, saved, aside, means)
    return given, queue, {**heard, "judged_by": counts, **told}


def _label_tables(
    spec: AnnotateSpec, cleaned: Path, folder: Path, given: Mapping[str, Given], books: Books
) -> tuple[int, int, int]:
    """Write both tables batch by batch: rows in, documents and rows out."""
    taken: set[str] = set()
    rows_in = 0
    with (
        TableWriter(folder / "documents.parquet", Document) as documents,
        TableWriter(folder / "rows.parquet", Example) as rows,
    ):
        for examples in iterate_table(cleaned / "rows.parquet", Example, BATCH_ROWS):
            rows_in += len(examples)
            taken.update(row.id for row in examples)
            ledger = Ledger()
            rows.write(label_rows(examples, given, ledger))
            books.add(ledger.entries)
        for texts in iterate_table(cleaned / "documents.parquet", Document, BATCH_ROWS):
            rows_in += len(texts)
            ledger = Ledger()
            kept, made = label_documents(texts, given, taken, spec.unlabelled, ledger)
            documents.write(kept)
            rows.write(made)
            books.add(ledger.entries)
    return rows_in, documents.rows, rows.rows


def _told(given: Mapping[str, Given], queue: Sequence[Queued], books: Books) -> dict[str, Any]:
    """Counts for the summary."""
    return {
        "labelled": dict(Counter(g.by for g in given.values())),
        "labels": dict(Counter(g.label for g in given.values()).most_common()),
        "queue": {"strategy": queue[0].strategy if queue else "", "rows": len(queue)},
        "refused": books.refused,
        "reasons": books.reasons(),
        "changed": books.reasons("changed"),
    }


def _known(
    items: Collection[Item], people: Mapping[str, Resolved], names: Sequence[str]
) -> tuple[Whole, npt.NDArray[np.bool_], dict[str, int]]:
    """Number of the label that people or the source gave each item, -1 if none; who has spoken.

    And how many of these labels are by people, how many by the source: what functions and models
    learn from and are judged by.
    """
    place = {name: i for i, name in enumerate(names)}
    known = np.full(len(items), ABSTAIN, dtype=np.int64)
    settled = np.zeros(len(items), dtype=bool)
    counts = {"labels by people": 0, "labels by the source": 0}
    for number, item in enumerate(items):
        said = people.get(item.id)
        known[number] = place.get(item.label if said is None else said.label, ABSTAIN)
        settled[number] = said is not None or bool(item.label)
        if known[number] >= 0:
            counts["labels by people" if said is not None else "labels by the source"] += 1
    return known, settled, counts


def _vectors(spec: AnnotateSpec, items: Collection[Item], encode: Encode | None) -> Vectors | None:
    if not needs_encoder(spec) or not items:
        return None
    if encode is None:
        raise ConfigError("annotation asks for an encoder, and none was given")
    return vectors_of(items, encode)


def _guesses(
    spec: AnnotateSpec,
    items: Collection[Item],
    known: Whole,
    settled: npt.NDArray[np.bool_],
    means: Means,
) -> tuple[dict[By, Guess], dict[str, Any]]:
    """What functions and model say, and what is told of them."""
    guesses: dict[By, Guess] = {}
    told: dict[str, Any] = {}
    if spec.functions is not None and items:
        found, more = by_functions(spec.functions, spec.labels, items, known, means)
        guesses["functions"] = found
        told |= more
        if spec.order[:1] == ("functions",):
            settled = settled | (found.best >= 0)
    if spec.automatic is not None and items:
        wanted = np.flatnonzero(~settled | (known >= 0))  # the known calibrate
        found, more = by_automatic(spec.automatic, spec.labels, items, known, wanted, means)
        guesses["automatic"] = found
        told |= more
    return guesses, told


def _people(
    spec: AnnotateSpec,
    items: Iterable[Item],
    saved: Sequence[Label],
    aside: Sequence[Label],
    means: Means,
) -> dict[str, Any]:
    """What is told of people's labels; those set aside get a line in the ledger."""
    said = {one.row_id for one in (*saved, *aside)}
    present = {item.id: item for item in items if item.id in said}
    for one in aside:
        if one.row_id in present:
            told = f"{one.annotator}: {one.label}"
            means.ledger.change("label no longer in the scheme", present[one.row_id].origin, told)
    here = [one for one in saved if one.row_id in present]
    adjudicator = spec.people.adjudicator
    votes = votes_of(here, without=adjudicator)
    found = agreement(votes, spec.labels, level=spec.people.level, seed=means.seed)
    return {
        "people": {
            "labels": sum(bool(one.label) for one in current(here).values()),
            "passed_over": sum(not one.label for one in current(here).values()),
            "of_rows_not_here": sum(one.row_id not in present for one in (*saved, *aside)),
            "set_aside": sum(one.row_id in present for one in aside),
            "disagreements": len(disagreements(present.values(), here, adjudicator)),
        },
        "agreement": table(found),
        "alike": [f"{a} and {b}: {n:,} identical labels" for a, b, n in alike(votes)],
        "reliability": reliability([s for s in here if s.annotator != adjudicator], spec.labels),
    }
