"""Sources: where documents and rows come from, one kind a file; here they meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, assert_never

from pydantic import Field

from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example
from luthier.core.spec import digest_of
from luthier.data.pydoc import PydocSource, digest_pydoc, read_pydoc
from luthier.data.sources._access import guarded
from luthier.data.sources._objects import TextObjects
from luthier.data.sources.csv import CsvSource, read_csv
from luthier.data.sources.dialects import take
from luthier.data.sources.excel import ExcelSource, read_excel
from luthier.data.sources.files import digest_path
from luthier.data.sources.hub import HubSource, digest_hub, read_hub
from luthier.data.sources.json import JsonSource, read_json
from luthier.data.sources.jsonl import JsonlSource, read_jsonl
from luthier.data.sources.lines import LinesSource, read_lines
from luthier.data.sources.missing import fill
from luthier.data.sources.parquet import ParquetSource, read_parquet
from luthier.data.sources.raw import Raw
from luthier.data.sources.s3 import S3Source, digest_s3, read_s3, read_s3_texts
from luthier.data.sources.sql import SqlSource, digest_sql, read_sql
from luthier.data.sources.text import TextSource, digest_text, read_text
from luthier.data.sources.web import WebSource, digest_web, read_web

S3_CACHE = "s3-cache"

RowSourceSpec = (
    CsvSource
    | ExcelSource
    | HubSource
    | JsonSource
    | JsonlSource
    | LinesSource
    | ParquetSource
    | SqlSource
)
SourceSpec = Annotated[
    PydocSource | TextSource | WebSource | S3Source | RowSourceSpec, Field(discriminator="kind")
]


def source_digest(source: SourceSpec, base: Path) -> str:
    """A digest of what a source holds now.

    Args:
        source: The source.
        base: Folder that relative paths start from.

    Raises:
        DataError: A file, package, table or bucket is missing.
    """
    return digest_of([source, _content(source, base)])


def _content(source: SourceSpec, base: Path) -> str:
    match source:
        case PydocSource():
            return digest_pydoc(source)
        case TextSource():
            return digest_text(source, base)
        case WebSource():
            return digest_web(source, base)
        case S3Source():
            return digest_s3(source)
        case HubSource():
            return digest_hub(source, base)
        case SqlSource():
            return digest_sql(source, base)
        case (
            CsvSource()
            | ExcelSource()
            | JsonSource()
            | JsonlSource()
            | LinesSource()
            | ParquetSource()
        ):
            return digest_path(source.path, base)
        case _:
            assert_never(source)


def read(
    source: SourceSpec, base: Path, ledger: Ledger, progress: Progress
) -> tuple[Iterator[Document | Example], int]:
    """Read a source, record by record.

    Args:
        source: The source.
        base: Folder that relative paths start from.
        ledger: Gets a line for each row that cannot be used, or goes on otherwise than it came.
        progress: Shows the reading.

    Returns:
        The records, and how many were left out because a maximum was asked for.

    Raises:
        DataError: The source cannot be read.
    """
    match source:
        case PydocSource():
            documents, left_out = read_pydoc(source, ledger, progress)
            return guarded(documents, source), left_out
        case TextSource():
            return read_text(source, base, ledger, progress), 0
        case WebSource():
            return guarded(read_web(source, base, ledger, progress), source), 0
        case S3Source():
            cache = base / S3_CACHE
            if isinstance(source.format, TextObjects):
                return read_s3_texts(source, ledger, progress, cache), 0
            form = source.format

            def objects(books: Ledger) -> Iterator[Raw]:
                return read_s3(source, books, progress, cache)

            return take(fill(objects, form, ledger), form, ledger), 0
        case _:
            return _records(source, base, ledger, progress), 0


def _records(
    source: RowSourceSpec, base: Path, ledger: Ledger, progress: Progress
) -> Iterator[Document | Example]:
    """The rows of a table as records, missing values seen to."""

    def rows(books: Ledger) -> Iterator[Raw]:
        match source:
            case CsvSource():
                return read_csv(source, base, books, progress)
            case ExcelSource():
                return read_excel(source, base, books, progress)
            case HubSource():
                return read_hub(source, base, books, progress)
            case JsonSource():
                return read_json(source, base, books, progress)
            case JsonlSource():
                return read_jsonl(source, base, books, progress)
            case LinesSource():
                return read_lines(source, base, books, progress)
            case ParquetSource():
                return read_parquet(source, base, books, progress)
            case SqlSource():
                return read_sql(source, base, books, progress)
            case _:
                assert_never(source)

    return take(fill(rows, source, ledger), source, ledger)
