"""CSV and JSON Lines as ``prepare`` reads them: all documents and examples at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document, Example
from luthier.data.sources import csv, jsonl
from luthier.data.sources.csv import CsvSource
from luthier.data.sources.dialects import take
from luthier.data.sources.jsonl import JsonlSource
from luthier.data.sources.missing import fill
from luthier.data.sources.raw import Raw

__all__ = ["CsvSource", "JsonlSource", "read_csv", "read_jsonl"]

Found = tuple[list[Document], list[Example]]


def read_csv(source: CsvSource, base: Path, ledger: Ledger) -> Found:
    """Documents and examples of CSV files; see ``sources.csv.read_csv``."""

    def read(books: Ledger) -> Iterator[Raw]:
        return csv.read_csv(source, base, books, Quiet())

    return _sorted(take(fill(read, source, ledger), source, ledger))


def read_jsonl(source: JsonlSource, base: Path, ledger: Ledger) -> Found:
    """Documents and examples of JSON Lines files; see ``sources.jsonl.read_jsonl``."""

    def read(books: Ledger) -> Iterator[Raw]:
        return jsonl.read_jsonl(source, base, books, Quiet())

    return _sorted(take(fill(read, source, ledger), source, ledger))


def _sorted(found: Iterator[Document | Example]) -> Found:
    documents: list[Document] = []
    examples: list[Example] = []
    for one in found:
        if isinstance(one, Document):
            documents.append(one)
        else:
            examples.append(one)
    return documents, examples
