"""Source kind ``csv``: tables as text, each row with the line of the file it starts on."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources._decode import Line, encoding_of, known, lines
from luthier.data.sources.dialects import check_columns
from luthier.data.sources.files import empty, read_files
from luthier.data.sources.raw import Raw, RowSource

MAX_FIELD_CHARS = 2**28
DELIMITERS = (",", ";", "\t", "|")
SNIFFED_RECORDS = 20
SNIFFED_CHARS = 2**20

_LONE_RETURN = re.compile(r"(?<=\r)(?!\n)")


class CsvSource(RowSource):
    """CSV or TSV files; their first line names the columns, unless ``columns`` does."""

    kind: Literal["csv"] = "csv"
    path: str
    """A file, or a pattern such as ``logs/*.csv``, relative to the project file; also .gz, .zst."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """Between the columns; if null, that of comma, semicolon, tab and bar which fits the file."""
    quotes: bool = True
    """Whether double quotes may enclose fields; false for TSV files where they mean nothing."""
    columns: tuple[str, ...] | None = None
    """Names of the columns, for files whose first line is a row already."""
    encoding: Annotated[str, AfterValidator(known)] = "auto"
    """``auto`` tells UTF-8, UTF-16 and Windows' cp1252 apart; else as Python names it."""

    @model_validator(mode="after")
    def _is_one_character(self) -> CsvSource:
        if self.delimiter in ("\n", "\r", '"'):
            raise ValueError("`delimiter` cannot be a line break or a quote")
        return self


class _Record(NamedTuple):
    line: int
    values: list[str]
    fault: str


def read_csv(source: CsvSource, base: Path, ledger: Ledger, progress: Progress) -> Iterator[Raw]:
    """Read CSV files (RFC 4180, in any encoding), in constant memory.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each row with the wrong number of columns or with bytes that cannot
            be read, and one for each file in another encoding than UTF-8.
        progress: Shows how many rows were read.

    Yields:
        Each row with all its columns as texts.

    Raises:
        DataError: A file is missing, empty, damaged, wrongly quoted, or lacks needed columns.
    """
    return read_files(
        source.path, base, progress, lambda name, path: _rows(source, name, path, ledger)
    )


def delimiter_of(path: Path, encoding: str, quotes: bool) -> str:
    """The delimiter that fits the first rows of a file best.

    That which cuts the first line into several columns and most of the next rows into as many; of
    equally good ones that with more columns. A comma if none cuts the first line.

    Args:
        path: The file.
        encoding: Its encoding.
        quotes: Whether double quotes may enclose fields.
    """
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths: list[int] = []
        chars = 0
        try:
            for record in _records(lines(path, "", encoding, Ledger()), delimiter, quotes):
                if widths or not _is_blank(record):
                    widths.append(len(record.values))
                chars += sum(map(len, record.values))
                if len(widths) == SNIFFED_RECORDS or chars > SNIFFED_CHARS:
                    break
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            score = (widths.count(widths[0]) / len(widths), widths[0])
            best, best_score = max((best, best_score), (delimiter, score), key=lambda x: x[1])
    return best


def _rows(source: CsvSource, name: str, path: Path, ledger: Ledger) -> Iterator[Raw]:
    encoding = encoding_of(path) if source.encoding == "auto" else source.encoding
    delimiter = source.delimiter or delimiter_of(path, encoding, source.quotes)
    records = _records(lines(path, name, encoding, ledger), delimiter, source.quotes)
    names = list(source.columns) if source.columns is not None else None
    line = times = 0
    if names is not None:
        check_columns(names, source, str(path))
    try:
        for record in records:
            if names is None:
                names = None if _is_blank(record) else _heading(record, source, path)
                continue
            times = times + 1 if record.line == line else 1
            line = record.line
            origin = f"{name}:{line}" if times == 1 else f"{name}:{line}.{times}"
            if record.fault:
                ledger.refuse("bytes that are not text", origin, record.fault)
            elif len(record.values) != len(names):
                said = f"{len(record.values)}, not {len(names)}"
                ledger.refuse("wrong number of columns", origin, said)
            else:
                yield Raw(dict(zip(names, record.values, strict=True)), origin)
    except csv.Error as error:
        raise DataError(
            f"this is not proper CSV: {error.args[0]}",
            where=f"{path}:{error.args[1]}",
            mend='Fields with quotes, delimiters or line breaks need quotes around: "say ""hi""". '
            "If quotes mean nothing in this file, set `quotes: false`.",
        ) from error
    if names is None or (source.columns is not None and line == 0):
        raise empty(path)


def _is_blank(record: _Record) -> bool:
    return not any(value.strip() for value in record.values)


def _heading(record: _Record, source: CsvSource, path: Path) -> list[str]:
    where = f"{path}:{record.line}"
    if record.fault:
        raise DataError(
            f"the names of the columns cannot be read: {record.fault}",
            where=where,
            mend="Name the file's `encoding`, or save it as UTF-8.",
        )
    names = [name.strip() for name in record.values]
    check_columns(names, source, where)
    return names


class _Feed:
    r"""Lines for ``csv.reader``, which takes a lone ``\r`` for the end of a line too."""

    def __init__(self, found: Iterator[Line]) -> None:
        self._found = found
        self._pieces: deque[str] = deque()
        self._line = 0
        self.faults: list[str] = []

    @property
    def next_line(self) -> int:
        """The line that the next piece is from."""
        return self._line if self._pieces else self._line + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._pieces:
            return self._pieces.popleft()
        self._line, text, fault = next(self._found)
        if fault:
            self.faults.append(f"line {self._line}: {fault}")
        if "\r" in text:
            text, *rest = [piece for piece in _LONE_RETURN.split(text) if piece]
            self._pieces.extend(rest)
        return text


def _records(found: Iterator[Line], delimiter: str, quotes: bool) -> Iterator[_Record]:
    """Each record with the line it starts on; blank lines are passed over.

    Raises:
        csv.Error: With the message and the line as its arguments.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    feed = _Feed(found)
    reader = csv.reader(
        feed,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        line = feed.next_line
        feed.faults.clear()
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(str(error), line) from error
        if values:
            yield _Record(line, values, "; ".join(feed.faults))
