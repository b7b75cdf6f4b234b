"""The rows that travel between stages, and how they are written to and read from Parquet.

Every record keeps its ``origin`` (``faq.csv:17``, ``textwrap.py:377``) to the end. Column types
follow from the dataclass fields alone, so a file is read back exactly as it was written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from luthier.core.columns import BATCH_ROWS, schema_of, to_records, to_table
from luthier.core.errors import StoreError

Role = Literal["system", "user", "assistant", "tool"]
Side = Literal["", "train", "validation", "test"]


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        content: What is said; may be empty in an assistant's turn that only calls tools.
        tool_calls: The calls of an assistant's turn, a JSON list as OpenAI's API writes it, or "".
        tool_call_id: In a tool's turn, the call it answers.
        weight: In an assistant's turn, 0 to 1: what its losses are multiplied by in tuning; with 0
            it is context only.
    """

    role: Role
    content: str
    tool_calls: str = ""
    tool_call_id: str = ""
    weight: float = 1.0


EVERYONE = "everyone"
"""The group that everybody is in, also who is not known."""


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One collected unit of text, before it is cut into passages.

    Attributes:
        id: Stable and unique among all documents (``textwrap.fill``, ``faq.csv:17``).
        title: What a person would call it; "" for a row without one.
        text: The text itself, never empty.
        origin: ``file:line`` (or URL, ``table:key``, ``file#id``) it was read from.
        kind: ``module``, ``class``, ``function``, ``row``, ``text``, ``code``.
        group: What must stay on one side of the split together (often the parent document).
        meta: Anything else the source knows, such as ``signature`` or ``parent``.
        access: Users and groups that may see it, `EVERYONE` among them for all. With none nobody
            may: what lacks a list is closed, not open.
        modified_s: When it was last changed, in seconds since 1970; 0 if nobody knows.
    """

    id: str
    title: str
    text: str
    origin: str
    kind: str
    group: str
    meta: dict[str, str] = dataclasses.field(default_factory=dict)
    access: tuple[str, ...] = (EVERYONE,)
    modified_s: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """A conversation whose last message is the answer to learn or to be measured against.

    Attributes:
        id: Stable and unique.
        messages: At least a user and an assistant turn; the last is the assistant's.
        origin: Where its answer stands (``file:line``).
        group: Examples of one group are always on the same side of the split.
        kind: What is asked for: ``fact``, ``form`` or the user's own tag. Reported apart.
        document_id: The document the answer stands in, or "" if none.
        side: ``train``, ``validation`` or ``test`` after the split, else "".
        label: The class of a classification row (the answer is its text), or "".
        rejected: Preference rows: the worse answer to the same prompt, one or more turns.
        desirable: KTO rows: whether the answer is a good one; None for all others.
        tools: The tools on offer, a JSON list as OpenAI's API takes it, or "".
        parent: The row this one was made from (augmented, over-sampled, synthesised), or "".
        answer_turns: Preference and KTO rows: how many of the last messages are the judged answer;
            more than one where it calls tools or goes on over several turns.
        closed: Whether it says what not everyone may see: it, or the document it was made from,
            has an access list. What a model learns of it, everyone can ask.
    """

    id: str
    messages: tuple[Message, ...]
    origin: str
    group: str
    kind: str
    document_id: str = ""
    side: Side = ""
    label: str = ""
    rejected: tuple[Message, ...] = ()
    desirable: bool | None = None
    tools: str = ""
    parent: str = ""
    answer_turns: int = 1
    closed: bool = False

    @property
    def question(self) -> str:
        """The last user turn."""
        return next(m.content for m in reversed(self.messages) if m.role == "user")

    @property
    def answer(self) -> str:
        """The reference answer: the last message."""
        return self.messages[-1].content

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All messages before the reference answer."""
        return self.messages[:-1]


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """A slice of a document as it is indexed: ``document.text[start:end] == text``.

    Attributes:
        id: ``document_id#start``; with ``:end`` behind it where passages overlap from one start.
        title: Of its document.
        start: Offset in characters into the document's text.
        end: Offset behind its last character.
        score: Retrieval score; 0 when not retrieved.
        kind: Of its document, or of the piece: ``text``, ``table``, ``code``, ``heading``.
        context: What is shown in the prompt instead of the text, where a small passage is found
            and a larger one read (its parent, or sentences around it); "" for the text itself.
        access: As its document's.
        modified_s: As its document's.
        meta: As its document's; what filters and rules go by.
    """

    id: str
    document_id: str
    title: str
    text: str
    origin: str
    start: int
    end: int
    score: float = 0.0
    kind: str = "text"
    context: str = ""
    access: tuple[str, ...] = (EVERYONE,)
    modified_s: float = 0.0
    meta: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What stands in a prompt."""
        return self.context or self.text


Record = TypeVar("Record")


def write_table(path: Path, rows: Iterable[object], record: type[Record]) -> int:
    """Write records to a Parquet file and return how many were written.

    Args:
        path: The file to write.
        rows: Instances of ``record``.
        record: The dataclass (with slots); it decides the columns, also when there are no rows.
    """
    table = to_table(list(rows), record)
    pq.write_table(table, path, compression="zstd")
    return int(table.num_rows)


class TableWriter:
    """Writes records to a Parquet file batch by batch, for tables that don't fit in memory.

    Use it as a context manager: the file is whole when the block ends.

    Args:
        path: The file to write.
        record: The dataclass; it decides the columns.
    """

    def __init__(self, path: Path, record: type[Any]) -> None:
        self.rows = 0
        self._record = record
        self._writer = pq.ParquetWriter(path, schema_of(record), compression="zstd")

    def write(self, rows: Iterable[object]) -> None:
        """Append one batch as one row group; an empty batch writes nothing."""
        batch = list(rows)
        if batch:
            self._writer.write_table(to_table(batch, self._record))
            self.rows += len(batch)

    def __enter__(self) -> TableWriter:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._writer.close()


def copy_rows(source: Path, target: Path, keep: npt.NDArray[np.bool_]) -> None:
    """Copy some rows of a table as they are, batch by batch.

    Args:
        source: A Parquet file.
        target: The new one.
        keep: For each row whether it is copied.

    Raises:
        StoreError: The file is missing or is not Parquet.
    """
    try:
        with (
            pq.ParquetFile(source) as file,
            pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer,
        ):
            place = 0
            for batch in file.iter_batches(BATCH_ROWS):
                writer.write_batch(batch.filter(pa.array(keep[place : place + len(batch)])))
                place += len(batch)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(source)) from error


def iterate_table(
    path: Path, record: type[Record], batch_rows: int = BATCH_ROWS
) -> Iterator[list[Record]]:
    """Read back what ``write_table`` or ``TableWriter`` wrote, batch by batch.

    Args:
        path: The file.
        record: The dataclass of its rows.
        batch_rows: Largest number of rows in a batch.

    Raises:
        StoreError: The file is missing, is not Parquet, or has other columns.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_rows):
                yield to_records(batch, record)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(path)) from error
    except (TypeError, KeyError) as error:
        raise StoreError(
            f"this table does not hold {record.__name__} rows: {error}", where=str(path)
        ) from error


def read_table(path: Path, record: type[Record]) -> list[Record]:
    """Read back what ``write_table`` wrote.

    Raises:
        StoreError: The file is missing, is not Parquet, or has other columns.
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"cannot read this table: {error}", where=str(path)) from error
    try:
        return to_records(table, record)
    except (TypeError, KeyError) as error:
        raise StoreError(
            f"this table does not hold {record.__name__} rows: {error}", where=str(path)
        ) from error
