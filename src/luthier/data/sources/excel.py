"""Source kind ``excel``: one sheet of a workbook (.xlsx, .xls, .xlsb, .ods)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from luthier.core.errors import DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources._plain import as_text
from luthier.data.sources.dialects import check_columns
from luthier.data.sources.files import empty, read_files
from luthier.data.sources.raw import Raw, RowSource

if TYPE_CHECKING:
    from python_calamine import CalamineSheet


class ExcelSource(RowSource):
    """Workbooks of Excel or LibreOffice; a sheet's first row with content names the columns."""

    kind: Literal["excel"] = "excel"
    path: str
    """A file, or a pattern such as ``reports/*.xlsx``, relative to the project file."""
    sheet: str | None = None
    """Name of the sheet; the first one if null."""


def read_excel(
    source: ExcelSource, base: Path, ledger: Ledger, progress: Progress
) -> Iterator[Raw]:
    """Read one sheet of each workbook.

    The format wants a whole sheet (at most 1,048,576 rows) in memory. Numbers, dates and times
    become text as a person would write them (``17``, ``2026-11-22``); truth values stay.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Not needed: a sheet has no bad rows. Here so that all sources read alike.
        progress: Shows how many rows were read.

    Yields:
        Each row that is not blank; its origin is ``book.xlsx:Sheet1!17`` with the sheet's row.

    Raises:
        DataError: A file is missing, empty, no workbook, locked by a password or damaged, has no
            such sheet, or lacks needed columns.
        ResourceError: The library python-calamine is not installed.
    """
    return read_files(source.path, base, progress, lambda name, path: _rows(source, name, path))


def _rows(source: ExcelSource, name: str, path: Path) -> Iterator[Raw]:
    sheet = _sheet(source, path)
    names: list[str] | None = None
    for row, cells in enumerate(sheet.iter_rows(), start=1):
        values = [_value(cell) for cell in cells]
        if not any(value is not None for value in values):
            continue
        origin = f"{name}:{sheet.name}!{row}"
        if names is None:
            names = ["" if value is None else str(value).strip() for value in values]
            check_columns(names, source, f"{path}:{sheet.name}!{row}")
            continue
        filled = {n: v for n, v in zip(names, values, strict=True) if n}
        yield Raw(filled, origin)
    if names is None:
        raise empty(path)


def _sheet(source: ExcelSource, path: Path) -> CalamineSheet:
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise ResourceError(
            "reading workbooks needs the library python-calamine",
            mend="pip install 'luthier[data]'",
        ) from error
    try:
        book = CalamineWorkbook.from_path(path)
        if source.sheet is not None and source.sheet not in book.sheet_names:
            raise DataError(
                f"no sheet is called '{source.sheet}'",
                where=str(path),
                mend=f"The workbook has: {', '.join(map(repr, book.sheet_names))}.",
            )
        if not book.sheet_names:
            raise empty(path)
        return book.get_sheet_by_name(source.sheet or book.sheet_names[0])
    except (CalamineError, OSError) as error:
        raise DataError(
            f"cannot read this workbook: {error}",
            where=str(path),
            mend="It must be .xlsx, .xls, .xlsb or .ods and not locked; save it again.",
        ) from error


def _value(cell: Any) -> str | bool | None:
    """A cell as text, truth values as they are; None if blank. Midnight is a mere date."""
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    text = as_text(cell)
    return text if text and text.strip() else None
