"""Who saw what: a log of every question put to documents, that cannot be changed unnoticed.

One SQLite file (`luthier.core.log_file`). A line is written before
an answer leaves, and a second one when it has: what was shown to the model counts as seen even if
the answer never came. Lines are chained by SHA-256 and guarded by triggers against change and
deletion, so that `Audit.verify` finds what was altered. Where the audit is required and cannot be
written, no answer leaves.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from luthier.core.errors import StoreError
from luthier.core.journal import now
from luthier.core.log_file import LogFile
from luthier.core.spec import Spec
from luthier.rag.access import Viewer

FILE_NAME = "audit.sqlite"
SCHEMA_VERSION = 1
_FIRST = "0" * 64

Outcome = Literal["asked", "answered", "abstained", "refused", "stopped", "error", "abandoned"]


class AuditSpec(Spec):
    """What is logged of who saw what."""

    required: bool = False
    """Give no answer that could not be logged."""
    question: Literal["text", "digest", "none"] = "digest"
    """Keep the question itself, a keyed digest by which an asked question is found again, or
    nothing of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of the log.

    Attributes:
        number: From 1, without gaps.
        at: ISO 8601, UTC, microseconds.
        asking: Names one question: both of its lines have it.
        outcome: ``asked`` in the first line; then how it ended.
        viewer: The names it was asked under, sorted.
        question: Its text or its digest, as the settings say.
        passages: Ids of the passages that stood in the prompt, those merged into others too.
        documents: Ids of their documents.
        refused: Ids of passages that were found and not shown, each with the reason.
        citations: Ids of the passages that the answer rests on.
        notes: What else the guard and the checks did, as counts by name.
    """

    number: int
    at: str
    asking: str
    outcome: Outcome
    viewer: tuple[str, ...]
    question: str
    passages: tuple[str, ...]
    documents: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    citations: tuple[str, ...]
    notes: dict[str, int]


_COLUMNS = tuple(field.name for field in dataclasses.fields(Line))
_LISTS = ("viewer", "passages", "documents", "refused", "citations", "notes")
_CREATE = """
CREATE TABLE IF NOT EXISTS lines (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, asking TEXT NOT NULL, outcome TEXT NOT NULL,
    viewer TEXT NOT NULL, question TEXT NOT NULL, passages TEXT NOT NULL, documents TEXT NOT NULL,
    refused TEXT NOT NULL, citations TEXT NOT NULL, notes TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS seen (document TEXT, name TEXT, number INTEGER);
CREATE INDEX IF NOT EXISTS seen_document ON seen (document, number);
CREATE INDEX IF NOT EXISTS seen_name ON seen (name, number);
CREATE TABLE IF NOT EXISTS key (value BLOB);
"""
_GUARDED = ("lines", "seen", "key")
_LOST = "Keep it for the inquiry, and name another file."


class Audit:
    """The log in one SQLite file. May be used from several threads and processes.

    Args:
        path: The file; made, with its folder, by the first line. Reading one that is not there
            yet finds nothing.
        spec: What is kept, and whether answers depend on it.
    """

    def __init__(self, path: Path, spec: AuditSpec) -> None:
        self.path, self.spec = path, spec
        self._file = LogFile(path, "audit log", SCHEMA_VERSION, _make, _LOST)

    def write(
        self,
        asking: str,
        outcome: Outcome,
        viewer: Viewer,
        question: str,
        *,
        passages: Sequence[str] = (),
        documents: Collection[str] = (),
        refused: Sequence[tuple[str, str]] = (),
        citations: Sequence[str] = (),
        notes: dict[str, int] | None = None,
    ) -> None:
        """Add a line; see `Line`. When this returns, it survives the death of the process.

        Raises:
            StoreError: The file is no audit log, or stays locked.
            ResourceError: The disk is full or the file cannot be written.
        """
        kept = self._kept(question)
        with self._file.writing() as connection:
            line = Line(
                number=0,
                at=now(),
                asking=asking,
                outcome=outcome,
                viewer=tuple(sorted(viewer)),
                question=kept,
                passages=tuple(passages),
                documents=tuple(dict.fromkeys(documents)),
                refused=tuple(refused),
                citations=tuple(citations),
                notes=dict(notes or {}),
            )
            connection.execute("BEGIN IMMEDIATE")
            try:
                _insert(connection, line)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def saw(self, name: str) -> list[Line]:
        """All lines of questions asked under a name (a user or a group), oldest first."""
        return self._select(
            "WHERE number IN (SELECT number FROM seen WHERE name = ? AND document = '')", name
        )

    def who_saw(self, document_id: str) -> list[Line]:
        """All lines of questions whose prompt held text of a document, oldest first."""
        return self._select(
            "WHERE number IN (SELECT number FROM seen WHERE document = ? AND name = '')",
            document_id,
        )

    def asked(self, question: str) -> list[Line]:
        """All lines of a question, also where only its digest is kept."""
        digest = self._digest(question) if self.path.exists() else ""
        return self._select("WHERE question IN (?, ?)", question, digest)

    def lines(self) -> list[Line]:
        """All lines, oldest first."""
        return self._select("")

    def verify(self) -> int | None:
        """The number of the first line that was altered, or before which one is missing.

        Returns:
            None if the log is whole. Lines cut off at the end cannot be told from lines that were
            never written; keep the last line's digest elsewhere to find that (`last_digest`).
        """
        before, expected = _FIRST, 1
        for row in self._rows("", digest=True):
            try:
                line, digest = _line(row[:-1]), str(row[-1])
            except (ValueError, TypeError):  # what stands there was never written by `write`
                return expected
            if line.number != expected or _chained(before, line) != digest:
                return expected
            before, expected = digest, expected + 1
        return None

    @property
    def last_digest(self) -> str:
        """The digest of the last line, which stands for all lines before it; "" without any."""
        rows = self._rows("ORDER BY number DESC LIMIT 1", digest=True)
        return str(rows[0][-1]) if rows else ""

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._file.close()

    def _kept(self, question: str) -> str:
        match self.spec.question:
            case "text":
                return question
            case "digest":
                return self._digest(question)
            case "none":
                return ""

    def _digest(self, question: str) -> str:
        told = " ".join(question.lower().split()).encode()
        return "hmac-" + hmac.new(self._key(), told, hashlib.sha256).hexdigest()

    def _select(self, rest: str, *values: str) -> list[Line]:
        rows = self._rows(f"{rest} ORDER BY number", *values)
        try:
            return [_line(row) for row in rows]
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"this audit log is damaged: {error}", where=str(self.path), mend=_LOST
            ) from error

    def _rows(self, rest: str, *values: str, digest: bool = False) -> list[tuple[object, ...]]:
        columns = ", ".join([*_COLUMNS, *(["digest"] if digest else [])])
        return self._file.read(f"SELECT {columns} FROM lines {rest}", values)

    def _key(self) -> bytes:
        with self._file.writing() as connection:
            return bytes(connection.execute("SELECT value FROM key").fetchone()[0])


def _insert(connection: sqlite3.Connection, line: Line) -> None:
    last = connection.execute(
        "SELECT number, digest FROM lines ORDER BY number DESC LIMIT 1"
    ).fetchone()
    number, before = last or (0, _FIRST)
    line = dataclasses.replace(line, number=number + 1)
    row = [*_written(line), _chained(before, line)]
    connection.execute(f"INSERT INTO lines VALUES ({', '.join('?' * len(row))})", row)
    seen = [("", name, line.number) for name in line.viewer]
    seen += [(document, "", line.number) for document in line.documents]
    connection.executemany("INSERT INTO seen VALUES (?, ?, ?)", seen)


def _written(line: Line) -> list[object]:
    row = dataclasses.asdict(line)
    for name in _LISTS:
        row[name] = json.dumps(row[name], ensure_ascii=False, sort_keys=True)
    return [row[name] for name in _COLUMNS]


def _chained(before: str, line: Line) -> str:
    told = json.dumps([before, *_written(line)], ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()


def _line(row: Sequence[object]) -> Line:
    fields = dict(zip(_COLUMNS, row, strict=True))
    for name in _LISTS:
        value = json.loads(str(fields[name]))
        fields[name] = tuple(map(tuple, value)) if name == "refused" else value
        if name not in ("refused", "notes"):
            fields[name] = tuple(value)
    return Line(**fields)  # type: ignore[arg-type]


def _make(connection: sqlite3.Connection) -> None:
    for statement in _CREATE.split(";")[:-1]:
        connection.execute(statement)
    for table in _GUARDED:
        for event in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER IF NOT EXISTS {table}_{event} BEFORE {event} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
            )
    connection.execute("INSERT INTO key SELECT randomblob(32) WHERE NOT EXISTS (SELECT 1 FROM key)")
