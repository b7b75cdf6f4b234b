"""Rows of a file, each with the place it stands at: JSON lines, JSON, CSV, TSV, Parquet, texts."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError

Row = dict[str, Any]
TEXTS = (".txt", ".md")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", *TEXTS)


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Every row of a file, or of the files of a folder in the order of their names.

    Args:
        path: Its suffix decides how it is read; a text is one row with a field ``text``.

    Yields:
        ``file:line`` and the row.

    Raises:
        DataError: There is no such file, or it cannot be read; names the line.
    """
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not inside:
            raise DataError(
                f"no file of rows in this folder ({', '.join(SUFFIXES)})", where=str(path)
            )
        for one in inside:
            yield from read_rows(one)
        return
    if not path.is_file():
        raise DataError("no such file", where=str(path))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"rows are not read from '{suffix or path.name}' files",
            where=str(path),
            mend=f"One of {', '.join(SUFFIXES)}.",
        )
    try:
        yield from _READERS[suffix](path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"this file cannot be read: {error}", where=str(path)) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: It is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"this is no JSON: {error}", where=str(path)) from error


def _jsonl(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"this line is no JSON: {error}", where=f"{path}:{number}"
                ) from error
            yield f"{path.name}:{number}", _object(row, f"{path}:{number}")


def _json(path: Path) -> Iterator[tuple[str, Row]]:
    told = read_json(path)
    if isinstance(told, dict):
        told = next((v for v in told.values() if isinstance(v, list)), None)
    if not isinstance(told, list):
        raise DataError("a JSON file of rows is a list of objects", where=str(path))
    for number, row in enumerate(told, 1):
        yield f"{path.name}:{number}", _object(row, f"{path}:{number}")


def _csv(path: Path, delimiter: str = ",") -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        for row in reader:
            yield f"{path.name}:{reader.line_num}", {k: v for k, v in row.items() if k is not None}


def _tsv(path: Path) -> Iterator[tuple[str, Row]]:
    return _csv(path, "\t")


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}:{number}", row
    except pa.ArrowInvalid as error:
        raise DataError(f"this is no Parquet: {error}", where=str(path)) from error


def _text(path: Path) -> Iterator[tuple[str, Row]]:
    yield f"{path.name}:1", {"id": path.name, "text": path.read_text(encoding="utf-8")}


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise DataError("a row is a JSON object", where=where)
    return row


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, Row]]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".txt": _text,
    ".md": _text,
}
