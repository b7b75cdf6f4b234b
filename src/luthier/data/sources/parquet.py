"""Source kind ``parquet``: Parquet files, streamed batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources.dialects import check_columns
from luthier.data.sources.files import read_files
from luthier.data.sources.raw import Raw, RowSource

BATCH_ROWS = 1024

Classes = dict[str, list[str]]


class ParquetSource(RowSource):
    """Parquet files, also as the Hugging Face hub stores data sets."""

    kind: Literal["parquet"] = "parquet"
    path: str
    """A file, or a pattern such as ``data/train-*.parquet``, relative to the project file."""


def read_parquet(
    source: ParquetSource, base: Path, ledger: Ledger, progress: Progress
) -> Iterator[Raw]:
    """Read Parquet files, holding one batch of rows at a time.

    Numbers of classes become their names where the file's Hugging Face metadata tells them
    (``ClassLabel``); -1 there means no label.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Not needed: a Parquet file has no bad rows. Here so that all sources read alike.
        progress: Shows how many rows were read.

    Yields:
        Each row with its columns as Python values; its origin is ``file.parquet:row``, from 1.

    Raises:
        DataError: A file is missing, not Parquet or damaged, or lacks needed columns.
    """
    return read_files(source.path, base, progress, lambda name, path: _rows(source, name, path))


def classes_of(metadata: dict[bytes, bytes] | None) -> Classes:
    """The names of classes by column, from what ``datasets`` writes into a schema's metadata.

    Args:
        metadata: The schema's metadata.
    """
    try:
        told = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        found = {
            column: feature["names"]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {column: names for column, names in found.items() if isinstance(names, list)}


def named(values: dict[str, Any], classes: Classes) -> dict[str, Any]:
    """A row with the names of its classes instead of their numbers.

    Args:
        values: The row.
        classes: As ``classes_of`` gives them.
    """
    for column, names in classes.items():
        number = values.get(column)
        if isinstance(number, int):
            values[column] = names[number] if 0 <= number < len(names) else None
    return values


def _rows(source: ParquetSource, name: str, path: Path) -> Iterator[Raw]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            check_columns(file.schema_arrow.names, source, str(path))
            classes = classes_of(file.schema_arrow.metadata)
            for batch in file.iter_batches(BATCH_ROWS):
                for values in _shortest(batch).to_pylist():
                    row += 1
                    yield Raw(named(values, classes), f"{name}:{row}")
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"cannot read this Parquet file: {error}",
            where=str(path),
            mend="Fetch or write it again.",
        ) from error


def _shortest(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Numbers of 32 bits as they are written: 0.1, not 0.10000000149011612."""
    for index, field in enumerate(batch.schema):
        if field.type == pa.float32():
            written = batch.column(index).cast(pa.string()).cast(pa.float64())
            batch = batch.set_column(index, field.name, written)
    return batch
