"""The answer log: one line in SQLite for every answer given, written by serving, read by watching.

It lives in core because ``serve`` writes it and ``monitor`` reads it, and those two rooms may not
import each other; ``luthier trace`` starts from it too. Any number of processes may write and read
at once, and a writer that is killed loses nothing that ``append`` returned from.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sqlite3
from pathlib import Path

from luthier.core.errors import StoreError
from luthier.core.log_file import LogFile
from luthier.core.records import Message

FILE_NAME = "answers.sqlite"
SCHEMA_VERSION = 2


@dataclasses.dataclass(frozen=True, slots=True)
class LoggedPassage:
    """A passage that stood in the prompt of an answer; its text stays in the bundle's index.

    Attributes:
        id: ``document_id#start``.
        title: What a person would call it.
        origin: ``file:line`` it was read from.
        score: Retrieval score.
    """

    id: str
    title: str
    origin: str
    score: float


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer as it was given.

    Attributes:
        id: Unique, given to the client as the answer's ``id``.
        at: When the answer was begun: ISO 8601, UTC, microseconds (``now`` writes it).
        bundle: Digest of the bundle that answered.
        route: How: ``base``, ``few-shot``, ``rag``, ``fine-tuned``, ``rag+fine-tuned``.
        model: The name under which the bundle is served.
        conversation: All turns that were sent, the question last.
        answer: The text; what was said so far if the client left.
        passages: What retrieval put into the prompt, best first.
        citations: Ids of the passages that verifiably support the answer.
        latency_s: Seconds of answering, without waiting for earlier answers.
        first_token_s: Seconds until the first piece of text; None if none came.
        prompt_tokens: Tokens of the prompt, passages included; 0 if never counted.
        completion_tokens: Tokens of the answer; 0 if never counted.
        finish_reason: ``stop``, ``length`` (cut at the limit), ``tool_calls``, ``context`` (the
            prompt did not fit, no answer), ``abandoned`` (the client left) or ``error``.
        tools: Those on offer, a JSON list as OpenAI's API takes it, or "".
        tool_calls: The calls the answer ends in, a JSON list as OpenAI's API writes it, or "".
    """

    id: str
    at: str
    bundle: str
    route: str
    model: str
    conversation: tuple[Message, ...]
    answer: str
    passages: tuple[LoggedPassage, ...]
    citations: tuple[str, ...]
    latency_s: float
    first_token_s: float | None
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    tools: str = ""
    tool_calls: str = ""

    @property
    def question(self) -> str:
        """The last user turn, or "" if there is none."""
        turns = (m.content for m in reversed(self.conversation) if m.role == "user")
        return next(turns, "")


_COLUMNS = tuple(field.name for field in dataclasses.fields(AnswerRecord))
_CREATE = """
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, bundle TEXT NOT NULL, route TEXT NOT NULL,
    model TEXT NOT NULL, conversation TEXT NOT NULL, answer TEXT NOT NULL,
    passages TEXT NOT NULL, citations TEXT NOT NULL, latency_s REAL NOT NULL,
    first_token_s REAL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    finish_reason TEXT NOT NULL
)"""
_ADDED = ("tools", "tool_calls")  # columns that version 2 brought


class Journal:
    """The log in one SQLite file. May be used from several threads.

    Args:
        path: The file; made, with its folder, by the first ``append``. Reading a log that is
            not there yet finds no answers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lost = "Move it away; a new log is begun with the next answer."
        self._file = LogFile(path, "answer log", SCHEMA_VERSION, _make, lost)

    def append(self, record: AnswerRecord) -> None:
        """Log an answer; when this returns, the line survives the death of the process.

        Raises:
            StoreError: The file is no answer log, is locked for long, or has this id already.
            ResourceError: The disk is full or the file cannot be written.
        """
        row = dataclasses.asdict(record)
        for name in ("conversation", "passages", "citations"):
            row[name] = json.dumps(row[name], ensure_ascii=False)
        marks = ", ".join(f":{name}" for name in _COLUMNS)
        with self._file.writing() as connection:
            try:
                connection.execute(
                    f"INSERT INTO answers ({', '.join(_COLUMNS)}) VALUES ({marks})", row
                )
            except sqlite3.IntegrityError as error:
                raise StoreError(
                    f"this answer is logged already: {error}", where=str(self.path)
                ) from error

    def get(self, answer_id: str) -> AnswerRecord:
        """The answer with this id, with an id that begins so, or the newest for ``last``.

        Raises:
            StoreError: No such answer, or several begin so.
        """
        if answer_id == "last":
            found = self._select("ORDER BY at DESC, rowid DESC LIMIT 1")
        else:
            found = self._select("WHERE id = ?", answer_id) or self._select(
                "WHERE substr(id, 1, ?) = ? LIMIT 2", len(answer_id), answer_id
            )
        if len(found) != 1:
            raise StoreError(
                f"several answers begin with '{answer_id}'"
                if found
                else f"no answer '{answer_id}' in this log",
                where=str(self.path),
                mend="The id is in the reply (`id`) and in `luthier chat`; `last` is the newest.",
            )
        return found[0]

    def records(self, since: dt.datetime | None = None) -> list[AnswerRecord]:
        """All answers begun at or after ``since`` (timezone-aware), oldest first."""
        start = "" if since is None else _stamp(since)
        return self._select("WHERE at >= ? ORDER BY at, rowid", start)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        self._file.close()

    def _select(self, rest: str, *values: str | int) -> list[AnswerRecord]:
        rows = self._file.read(f"SELECT {', '.join(_COLUMNS)} FROM answers {rest}", values)
        return [_record(row) for row in rows]


def now() -> str:
    """The present moment as ``AnswerRecord.at`` has it."""
    return _stamp(dt.datetime.now(dt.UTC))


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _make(connection: sqlite3.Connection) -> None:
    connection.execute(_CREATE)
    connection.execute("CREATE INDEX IF NOT EXISTS answers_at ON answers (at)")
    # another process may have added them in the meantime
    there = {row[1] for row in connection.execute("PRAGMA table_info(answers)")}
    for name in _ADDED:
        if name not in there:
            connection.execute(f"ALTER TABLE answers ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")


def _record(row: tuple[object, ...]) -> AnswerRecord:
    fields = dict(zip(_COLUMNS, row, strict=True))
    fields["conversation"] = tuple(Message(**m) for m in json.loads(str(fields["conversation"])))
    fields["passages"] = tuple(LoggedPassage(**p) for p in json.loads(str(fields["passages"])))
    fields["citations"] = tuple(json.loads(str(fields["citations"])))
    return AnswerRecord(**fields)  # type: ignore[arg-type]
