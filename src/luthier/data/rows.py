"""Source kinds ``csv`` and ``jsonl``: a user's own rows, each with the file line it stands on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message, Role
from luthier.core.spec import Spec

MAX_FIELD_CHARS = 2**30
ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}

Found = tuple[list[Document], list[Example]]


class CsvSource(Spec):
    """A CSV file with questions and answers, or with texts. Its first line names the columns.

    Where no column is named here, those that are called like these settings are used: ``question``
    and ``answer``, or else ``text``, with ``title``, ``group`` and ``tag`` where the file has them.
    """

    kind: Literal["csv"] = "csv"
    path: str
    """Relative to the project file."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Between the columns."""
    question: str | None = None
    """Column of the questions; ``question`` if only that of the answers is named."""
    answer: str | None = None
    """Column of the answers; ``answer`` if only that of the questions is named."""
    text: str | None = None
    """Column of the texts, where rows are documents."""
    title: str | None = None
    """Column of the documents' titles."""
    group: str | None = None
    """Column that says which rows must stay on one side of the split together."""
    tag: str | None = None
    """Column of the kind of question, reported apart."""

    @model_validator(mode="after")
    def _rows_or_texts(self) -> CsvSource:
        asks = self.question is not None or self.answer is not None
        if asks and self.text is not None:
            raise ValueError("name the columns of `question` and `answer`, or that of `text`")
        return self


class JsonlSource(Spec):
    """A file with one JSON object a line.

    Each holds ``messages`` (OpenAI's chat form), ``question`` and ``answer``, ``prompt`` and
    ``completion``, or ``text`` (a document); optionally ``group``, ``tag`` and ``title``.
    """

    kind: Literal["jsonl"] = "jsonl"
    path: str
    """Relative to the project file."""


class _UnfitError(Exception):
    """Why a row is refused: (reason, detail)."""


def read_csv(source: CsvSource, base: Path, ledger: Ledger) -> Found:
    """Read a CSV file (RFC 4180, UTF-8).

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each row that cannot be used.

    Raises:
        DataError: The file is missing, empty, not UTF-8, wrongly quoted, or lacks named columns.
    """
    text = read_utf8(base / source.path)
    lines = _csv_rows(text, source, base / source.path)
    _, names = next(lines, (1, []))
    columns = _columns(names, source, base / source.path)
    documents: list[Document] = []
    examples: list[Example] = []
    for line, values in lines:
        origin = f"{source.path}:{line}"
        if len(values) != len(names):
            ledger.refuse("wrong number of columns", origin, f"{len(values)}, not {len(names)}")
            continue
        row = dict(zip(names, values, strict=True))
        told = {key: row[name] for key, name in columns.items()}
        _take(told, origin, documents, examples, ledger)
    return documents, examples


def read_jsonl(source: JsonlSource, base: Path, ledger: Ledger) -> Found:
    """Read a JSON Lines file (UTF-8).

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each row that cannot be used.

    Raises:
        DataError: The file is missing, empty or not UTF-8.
    """
    documents: list[Document] = []
    examples: list[Example] = []
    for number, line in enumerate(read_utf8(base / source.path).split("\n"), start=1):
        if not line.strip():
            continue
        origin = f"{source.path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            ledger.refuse("not JSON", origin, str(error))
            continue
        if not isinstance(row, dict):
            ledger.refuse("not a JSON object", origin, line)
            continue
        _take(row, origin, documents, examples, ledger)
    return documents, examples


def read_utf8(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        DataError: The file is missing, empty, or not UTF-8 (with the line).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read this file: {error.strerror}",
            where=str(path),
            mend="Check `path` in the project file; it starts from the project file's folder.",
        ) from error
    if not data.strip():
        raise DataError(
            "this file is empty",
            where=str(path),
            mend="Put rows into it, or take it out of `data.sources`.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"not UTF-8: byte 0x{data[error.start]:02x} cannot be read",
            where=f"{path}:{line}",
            mend="Save the file as UTF-8 (iconv -f latin1 -t utf-8 converts Western texts).",
        ) from error


def _csv_rows(text: str, source: CsvSource, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it starts on; blank lines are passed over."""
    before = csv.field_size_limit(MAX_FIELD_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=source.delimiter, strict=True)
    try:
        line = 1
        for values in reader:
            if values:
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"this is not proper CSV: {error}",
            where=f"{path}:{line}",
            mend='Fields with quotes, delimiters or line breaks need quotes around: "say ""hi""".',
        ) from error
    finally:
        csv.field_size_limit(before)


def _columns(names: list[str], source: CsvSource, path: Path) -> dict[str, str]:
    """What each column that is used holds: (``question``, the column's name), and so on."""
    keys = ("question", "answer", "text", "title", "group", "tag")
    named = {key: name for key in keys if (name := getattr(source, key)) is not None}
    asks = bool({"question", "answer"} & named.keys()) or {"question", "answer"} <= set(names)
    needed = ("text",) if "text" in named or not asks else ("question", "answer")
    optional = [key for key in ("title", "group", "tag") if key in names and not named]
    columns = {key: key for key in (*needed, *optional)} | named
    if "text" not in columns:
        columns.pop("title", None)  # a question has none
    if missing := [name for name in columns.values() if name not in names]:
        guessed = not named and needed == ("text",)
        raise DataError(
            "no columns named 'question' and 'answer', nor one named 'text'"
            if guessed
            else f"no column named {', '.join(repr(m) for m in missing)}",
            where=f"{path}:1",
            mend=f"The file has: {', '.join(repr(n) for n in names)}. Name the columns of the "
            "source with `question` and `answer`, or with `text`; `delimiter` says what is between "
            "them.",
        )
    if twice := sorted({n for n in columns.values() if names.count(n) > 1}):
        raise DataError(
            f"several columns are named {twice[0]!r}", where=f"{path}:1", mend="Rename all but one."
        )
    return columns


def _take(
    row: Mapping[str, Any],
    origin: str,
    documents: list[Document],
    examples: list[Example],
    ledger: Ledger,
) -> None:
    """Turn one row into a document or an example, or refuse it."""
    try:
        group = _optional(row, "group") or origin
        if "text" in row and "messages" not in row and "question" not in row:
            title = _optional(row, "title") or origin
            text = _string(row, "text", "empty text")
            documents.append(Document(origin, title, text, origin, "row", group))
            return
        messages = _messages(row)
        kind = _optional(row, "tag") or "row"
        examples.append(Example(origin, messages, origin, group, kind))
    except _UnfitError as unfit:
        ledger.refuse(unfit.args[0], origin, unfit.args[1])


def _messages(row: Mapping[str, Any]) -> tuple[Message, ...]:
    if "messages" in row:
        return _conversation(row["messages"])
    if "question" in row and "answer" in row:
        return (
            Message("user", _string(row, "question", "empty question")),
            Message("assistant", _string(row, "answer", "empty answer")),
        )
    if "prompt" in row and "completion" in row:
        prompt, completion = row["prompt"], row["completion"]
        if isinstance(prompt, list) and isinstance(completion, list):
            return _conversation([*prompt, *completion])
        return (
            Message("user", _string(row, "prompt", "empty question")),
            Message("assistant", _string(row, "completion", "empty answer")),
        )
    raise _UnfitError("no known fields", ", ".join(map(str, row)) or "none")


def _conversation(turns: Any) -> tuple[Message, ...]:
    if not isinstance(turns, list) or not all(isinstance(t, dict) for t in turns):
        raise _UnfitError("wrong type", "messages is not a list of objects")
    messages = []
    for turn in turns:
        role = turn.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise _UnfitError("unknown role", str(role))
        empty = "empty answer" if role == "assistant" else "empty question"
        messages.append(Message(ROLES[role], _string(turn, "content", empty)))
    if not any(m.role == "user" for m in messages):
        raise _UnfitError("no user message", "")
    if messages[-1].role != "assistant":
        raise _UnfitError("last message is not the assistant's", messages[-1].content)
    return tuple(messages)


def _string(row: Mapping[str, Any], key: str, empty: str) -> str:
    value = row.get(key)
    if value is None:
        raise _UnfitError(empty, f"{key} is missing or null")
    if not isinstance(value, str):
        raise _UnfitError("wrong type", f"{key} is {type(value).__name__}, not text")
    if not value.strip():
        raise _UnfitError(empty, "")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _UnfitError("not valid Unicode", key) from None
    return value.strip()


def _optional(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None or value == "":
        return ""
    return str(value) if isinstance(value, int) else _string(row, key, "empty text")
