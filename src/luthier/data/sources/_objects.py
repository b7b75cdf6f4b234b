"""What kinds of file the objects of a bucket may be, each with its file reader's own settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

from pydantic import BeforeValidator, Field

from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources.csv import CsvSource, read_csv
from luthier.data.sources.excel import ExcelSource, read_excel
from luthier.data.sources.json import JsonSource, read_json
from luthier.data.sources.jsonl import JsonlSource, read_jsonl
from luthier.data.sources.lines import LinesSource, read_lines
from luthier.data.sources.parquet import ParquetSource, read_parquet
from luthier.data.sources.raw import Raw
from luthier.data.sources.text import TextSource


def _unset(value: Any) -> Any:
    if value:
        raise ValueError("leave it out here: the keys of the bucket are the paths")
    return value


NoPath = Annotated[str, BeforeValidator(_unset)]
NoPaths = Annotated[tuple[str, ...], BeforeValidator(_unset)]


class CsvObjects(CsvSource):
    """CSV files: the settings of a ``csv`` source, without its path."""

    path: NoPath = ""
    """Not set: the bucket's keys are the paths."""


class ExcelObjects(ExcelSource):
    """Excel files: the settings of an ``excel`` source, without its path."""

    path: NoPath = ""
    """Not set: the bucket's keys are the paths."""


class JsonObjects(JsonSource):
    """JSON files: the settings of a ``json`` source, without its path."""

    path: NoPath = ""
    """Not set: the bucket's keys are the paths."""


class JsonlObjects(JsonlSource):
    """Files with one JSON object a line: the settings of ``jsonl``, without its path."""

    path: NoPath = ""
    """Not set: the bucket's keys are the paths."""


class LinesObjects(LinesSource):
    """Files with one row a line: the settings of a ``lines`` source, without its path."""

    path: NoPath = ""
    """Not set: the bucket's keys are the paths."""


class ParquetObjects(ParquetSource):
    """Parquet files: the settings of a ``parquet`` source, without its path."""

    path: NoPath = ""
    """Not set: the bucket's keys are the paths."""


class TextObjects(TextSource):
    """Texts, also HTML, PDF and Word: the settings of a ``text`` source, without its paths."""

    paths: NoPaths = ()
    """Not set: the bucket's keys are the paths."""
    modified: Literal["unknown"] = "unknown"
    """Not set: a copy's time is that of its download."""


RowObjects = CsvObjects | ExcelObjects | JsonObjects | JsonlObjects | LinesObjects | ParquetObjects
ObjectsSpec = Annotated[RowObjects | TextObjects, Field(discriminator="kind")]


def read_rows(form: RowObjects, path: Path, ledger: Ledger, progress: Progress) -> Iterator[Raw]:
    """Read one downloaded object with the reader of its kind.

    Args:
        form: The kind, and its settings.
        path: The copy; rows are called by its file name.
        ledger: As for the reader of the kind.
        progress: As for the reader of the kind.

    Raises:
        DataError: As the reader of the kind.
    """
    base, at = path.parent, {"path": path.name}
    match form:
        case CsvObjects():
            return read_csv(form.model_copy(update=at), base, ledger, progress)
        case ExcelObjects():
            return read_excel(form.model_copy(update=at), base, ledger, progress)
        case JsonObjects():
            return read_json(form.model_copy(update=at), base, ledger, progress)
        case JsonlObjects():
            return read_jsonl(form.model_copy(update=at), base, ledger, progress)
        case LinesObjects():
            return read_lines(form.model_copy(update=at), base, ledger, progress)
        case ParquetObjects():
            return read_parquet(form.model_copy(update=at), base, ledger, progress)
        case _:
            assert_never(form)
