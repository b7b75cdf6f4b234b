"""Stage 1: its settings, and the step from cleaned rows to split and locked examples.

``collect`` reads sources, ``clean/`` repairs and refuses, ``annotate/`` labels; ``prepare`` makes
questions, splits and locks; ``synthesize/``, ``augment/`` and ``balance/`` add training rows;
``readiness/`` judges what came of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, Side, read_table, write_table
from luthier.core.spec import Spec, runtime
from luthier.data.alike import without_likes
from luthier.data.annotate.annotate import AnnotateSpec
from luthier.data.augment.augment import AugmentSpec
from luthier.data.balance.balance import BalanceSpec
from luthier.data.batches import Embedded, RunnerSpec
from luthier.data.clean.clean import CleanSpec
from luthier.data.collect import DOCUMENTS, ROWS
from luthier.data.duplicates import DuplicatesSpec, survivors
from luthier.data.profile import profile
from luthier.data.questions import QuestionsSpec, make_questions
from luthier.data.readiness.readiness import ReadinessSpec
from luthier.data.sources.sources import SourceSpec
from luthier.data.split import (
    AnySplit,
    SplitSpec,
    count_sides,
    lock,
    read_sides,
    split,
    write_sides,
)
from luthier.data.synthesize.synthesize import SynthesizeSpec
from luthier.data.writer import WriterSpec

PREPARE_VERSION = 3


class DataSpec(Spec):
    """Where the data comes from and what is made of it."""

    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    """Read in this order; a name that comes twice is refused the second time."""
    clean: CleanSpec | None = None
    """What is repaired, refused and masked; nothing if null."""
    annotate: AnnotateSpec | None = None
    """How rows get labels; none are given if null."""
    questions: QuestionsSpec | None = QuestionsSpec()
    """Questions made from documents; none if null."""
    duplicates: DuplicatesSpec = DuplicatesSpec()
    """From which likeness on documents and rows count as near-duplicates."""
    split: AnySplit = SplitSpec()
    """How examples are divided into sides."""
    synthesize: SynthesizeSpec | None = None
    """Training rows written by a model; none if null."""
    augment: AugmentSpec | None = None
    """Varied copies of training rows; none if null."""
    balance: BalanceSpec | None = None
    """How classes are evened out; not at all if null."""
    writer: WriterSpec | None = None
    """The model that labels, synthesises and translates back; null: the project's own model."""
    encoder: str = "minilm"
    """The encoder of augmenting, balancing, labelling and the profile: ``minilm``, or a folder as
    sentence-transformers saves it, relative to the project file."""
    readiness: ReadinessSpec = ReadinessSpec()
    """What ``luthier data profile`` looks at."""
    runner: RunnerSpec = runtime(default=Embedded())
    """Where rows are cleaned: in this process, in several, or on Ray. It changes no row."""
    max_refused: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of refused rows that is not an error, for collecting and for preparing."""


def prepare_settings(spec: DataSpec) -> dict[str, Any]:
    """The settings that ``prepare`` reads."""
    return spec.model_dump(mode="json", include={"questions", "duplicates", "split", "max_refused"})


def kept_sides(spec: DataSpec, base: Path) -> dict[str, Side]:
    """The sides that ``split.keep`` promises, by group; empty if it names no file.

    Raises:
        DataError: The file is missing or not of the right form.
    """
    named = getattr(spec.split, "keep", None)
    return read_sides(base / named) if named else {}


def prepare(
    spec: DataSpec,
    collected: Path,
    folder: Path,
    progress: Progress,
    seed: int,
    kept: Mapping[str, Side] | None = None,
) -> dict[str, Any]:
    """Make questions from documents, join them with the rows, split, and profile.

    Args:
        spec: The stage's settings.
        collected: A folder ``collect`` filled.
        folder: Where examples, ledger, profile and the sides (``sides.json``) go.
        progress: Told what is being done.
        seed: Decides wordings, choices and the split.
        kept: Sides that groups have already, see ``kept_sides``.

    Returns:
        Counts by side and kind, the lock of the test side, and refusals, as plain JSON.

    Raises:
        DataError: No example is left.
        LeakageError: More was refused than ``max_refused`` allows.
    """
    started = time.monotonic()
    ledger = Ledger()
    documents = read_documents(collected)
    rows = read_table(collected / ROWS, Example)
    with progress.task("Making questions", 3) as task:
        made, considered = _from_documents(documents, spec, seed, ledger)
        task.advance(note=f"{len(made)} questions")
        asked, twins = _without_repeats(rows, spec.duplicates, ledger)
        task.advance()
        joined = [*asked, *made]
        own = list(range(len(asked), len(joined)))
        examples = split(joined, [*twins, *own], spec.split, seed, ledger, kept or None)
        examples = without_likes(examples, ledger)
        task.advance()
    ledger.check(
        rows_in=len(rows) + considered,
        rows_out=len(examples),
        limit=spec.max_refused,
        stage="prepare",
    )
    _write(documents, examples, ledger, folder)
    return {
        "examples": len(examples),
        "groups": len({e.group for e in examples}),
        "sides": count_sides(examples),
        "lock": lock(examples),
        "refused": ledger.refused,
        "reasons": ledger.reasons(),
        "seconds": round(time.monotonic() - started, 2),
    }


def _write(
    documents: Sequence[Document], examples: Sequence[Example], ledger: Ledger, folder: Path
) -> None:
    if not examples:
        raise DataError(
            "no example is left to learn from",
            where="data",
            mend="Add a source of questions and answers, or let `questions` make some.",
        )
    write_table(folder / "examples.parquet", examples, Example)
    write_sides(examples, folder / "sides.json")
    ledger.write(folder)
    told = json.dumps(profile(documents, examples, ledger), indent=2, ensure_ascii=False)
    (folder / "profile.json").write_text(told, encoding="utf-8")


def read_documents(folder: Path) -> list[Document]:
    """The documents of a collected folder."""
    return read_table(folder / DOCUMENTS, Document)


def read_examples(folder: Path, side: Side | None = None) -> list[Example]:
    """The examples of a prepared folder, of one side or of all."""
    examples = read_table(folder / "examples.parquet", Example)
    return [e for e in examples if side is None or e.side == side]


def _from_documents(
    documents: Sequence[Document], spec: DataSpec, seed: int, ledger: Ledger
) -> tuple[list[Example], int]:
    """Examples made from all documents that are not near-duplicates, and how many were weighed."""
    if spec.questions is None:
        return [], 0
    standing_for = survivors([_said(d) for d in documents], spec.duplicates)
    kept = []
    for index, (document, twin) in enumerate(zip(documents, standing_for, strict=True)):
        if twin == index:
            kept.append(document)
        else:
            ledger.refuse("near-duplicate document", document.origin, documents[twin].id)
    made, considered = make_questions(kept, spec.questions, seed, ledger)
    return made, considered + len(documents) - len(kept)


def _said(document: Document) -> str:
    """The text without the line that names it."""
    return document.text.removeprefix(document.meta.get("signature") or document.title)


def _without_repeats(
    rows: Sequence[Example], spec: DuplicatesSpec, ledger: Ledger
) -> tuple[list[Example], list[int]]:
    """Rows without exact repeats, and for each the index of the one it nearly repeats."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        said = " ".join("\n".join(f"{m.role}: {m.content}" for m in row.messages).split())
        if said.casefold() in seen:
            ledger.refuse("repeated row", row.origin, row.question)
        else:
            seen.add(said.casefold())
            kept.append(row)
    return kept, survivors(["\n".join(m.content for m in r.messages) for r in kept], spec)
