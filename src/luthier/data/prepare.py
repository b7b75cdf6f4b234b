"""Stage 1: collect documents and rows from sources, then make, split and profile examples.

``collect`` fills a folder with ``documents.parquet``, ``rows.parquet`` and ``ledger.parquet``;
``prepare`` fills another from it with ``examples.parquet``, ``ledger.parquet``, ``profile.json``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, assert_never

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, Side, read_table, write_table
from luthier.core.spec import Spec, digest_of
from luthier.data.alike import without_likes
from luthier.data.duplicates import DuplicatesSpec, survivors
from luthier.data.profile import profile
from luthier.data.pydoc import PydocSource, digest_pydoc, read_pydoc
from luthier.data.questions import QuestionsSpec, make_questions
from luthier.data.rows import CsvSource, JsonlSource, read_csv, read_jsonl
from luthier.data.split import SplitSpec, count_sides, lock, split
from luthier.data.text import TextSource, files_of, read_text

Row = TypeVar("Row", Document, Example)

COLLECT_VERSION = 2
PREPARE_VERSION = 3

SourceSpec = Annotated[
    PydocSource | CsvSource | JsonlSource | TextSource, Field(discriminator="kind")
]


class DataSpec(Spec):
    """Where the data comes from and what is made of it."""

    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    """Read in this order; a name that comes twice is refused the second time."""
    questions: QuestionsSpec | None = QuestionsSpec()
    """Questions made from documents; none if null."""
    duplicates: DuplicatesSpec = DuplicatesSpec()
    """From which likeness on documents and rows count as near-duplicates."""
    split: SplitSpec = SplitSpec()
    """Shares of the sides."""
    max_refused: float = Field(default=0.5, ge=0.0, le=1.0)
    """Largest share of refused rows that is not an error, for collecting and for preparing."""


def prepare_settings(spec: DataSpec) -> dict[str, Any]:
    """The settings that ``prepare`` reads."""
    return spec.model_dump(mode="json", include={"questions", "duplicates", "split", "max_refused"})


def source_digest(source: SourceSpec, base: Path) -> str:
    """A digest of what a source holds now, without reading it in full detail.

    Args:
        source: The source.
        base: Folder that relative paths start from.

    Raises:
        DataError: A file or package is missing.
    """
    match source:
        case PydocSource():
            content = digest_pydoc(source)
        case CsvSource() | JsonlSource():
            content = _digest_files([(source.path, _existing(base / source.path))])
        case TextSource():
            content = _digest_files(files_of(source, base))
        case _:
            assert_never(source)
    return digest_of([source, content])


def collect(spec: DataSpec, base: Path, folder: Path, progress: Progress) -> dict[str, Any]:
    """Read all sources into documents and rows.

    Args:
        spec: The stage's settings.
        base: Folder that relative paths start from.
        folder: Where the tables go.
        progress: Shows one bar for each source.

    Returns:
        Counts, reasons of refusal and seconds, as plain JSON.

    Raises:
        DataError: A source cannot be read, or there is nothing in any.
        LeakageError: More rows were refused than ``max_refused`` allows.
    """
    started = time.monotonic()
    ledger = Ledger()
    documents: dict[str, Document] = {}
    rows: dict[str, Example] = {}
    read = left_out = 0
    for source in spec.sources:
        found, found_rows, more = _read(source, base, ledger, progress)
        left_out += more
        read += len(found) + len(found_rows)
        for one in found:
            _add(documents, one, ledger)
        for row in found_rows:
            _add(rows, row, ledger)
    taken = ledger.reasons().get("name already taken in another source", 0)
    ledger.check(
        rows_in=read + left_out + ledger.refused - taken,
        rows_out=len(documents) + len(rows) + left_out,
        limit=spec.max_refused,
        stage="collect",
    )
    if not documents and not rows:
        raise DataError(
            "the sources hold no usable row",
            where="data.sources",
            mend="Add rows, or another source.",
        )
    write_table(folder / "documents.parquet", documents.values(), Document)
    write_table(folder / "rows.parquet", rows.values(), Example)
    ledger.write(folder)
    return {
        "documents": len(documents),
        "rows": len(rows),
        "left_out": left_out,
        "refused": ledger.refused,
        "reasons": ledger.reasons(),
        "changed": ledger.reasons("changed"),
        "seconds": round(time.monotonic() - started, 2),
    }


def prepare(
    spec: DataSpec, collected: Path, folder: Path, progress: Progress, seed: int
) -> dict[str, Any]:
    """Make questions from documents, join them with the rows, split, and profile.

    Args:
        spec: The stage's settings.
        collected: A folder ``collect`` filled.
        folder: Where examples, ledger and profile go.
        progress: Told what is being done.
        seed: Decides wordings, choices and the split.

    Returns:
        Counts by side and kind, the lock of the test side, and refusals, as plain JSON.

    Raises:
        DataError: No example is left.
        LeakageError: More was refused than ``max_refused`` allows.
    """
    started = time.monotonic()
    ledger = Ledger()
    documents = read_documents(collected)
    rows = read_table(collected / "rows.parquet", Example)
    with progress.task("Making questions", 3) as task:
        made, considered = _from_documents(documents, spec, seed, ledger)
        task.advance(note=f"{len(made)} questions")
        kept, twins = _without_repeats(rows, spec.duplicates, ledger)
        task.advance()
        joined = [*kept, *made]
        own = list(range(len(kept), len(joined)))
        examples = split(joined, [*twins, *own], spec.split, seed, ledger)
        examples = without_likes(examples, ledger)
        task.advance()
    ledger.check(
        rows_in=len(rows) + considered,
        rows_out=len(examples),
        limit=spec.max_refused,
        stage="prepare",
    )
    if not examples:
        raise DataError(
            "no example is left to learn from",
            where="data",
            mend="Add a source of questions and answers, or let `questions` make some.",
        )
    write_table(folder / "examples.parquet", examples, Example)
    ledger.write(folder)
    told = json.dumps(profile(documents, examples, ledger), indent=2, ensure_ascii=False)
    (folder / "profile.json").write_text(told, encoding="utf-8")
    return {
        "examples": len(examples),
        "groups": len({e.group for e in examples}),
        "sides": count_sides(examples),
        "lock": lock(examples),
        "refused": ledger.refused,
        "reasons": ledger.reasons(),
        "seconds": round(time.monotonic() - started, 2),
    }


def read_documents(folder: Path) -> list[Document]:
    """The documents of a collected folder."""
    return read_table(folder / "documents.parquet", Document)


def read_examples(folder: Path, side: Side | None = None) -> list[Example]:
    """The examples of a prepared folder, of one side or of all."""
    examples = read_table(folder / "examples.parquet", Example)
    return [e for e in examples if side is None or e.side == side]


def _read(
    source: SourceSpec, base: Path, ledger: Ledger, progress: Progress
) -> tuple[list[Document], list[Example], int]:
    """Documents, rows, and how many documents were left out because a maximum was asked for."""
    match source:
        case PydocSource():
            documents, left_out = read_pydoc(source, ledger, progress)
            return documents, [], left_out
        case CsvSource():
            return *read_csv(source, base, ledger), 0
        case JsonlSource():
            return *read_jsonl(source, base, ledger), 0
        case TextSource():
            return read_text(source, base, ledger, progress), [], 0
        case _:
            assert_never(source)


def _add(table: dict[str, Row], row: Row, ledger: Ledger) -> None:
    if row.id in table:
        ledger.refuse("name already taken in another source", row.origin, row.id)
    else:
        table[row.id] = row


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


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError("no such file", where=str(path), mend="Check `path` in the project file.")
    return path


def _digest_files(files: Sequence[tuple[str, Path]]) -> str:
    found = hashlib.sha256()
    for name, path in files:
        found.update(f"\n{name}\n{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
