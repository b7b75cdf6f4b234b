"""Tasks as Excel and CSV files: columns row_id, origin, annotator, text, label, note, seconds.

No text becomes a formula: Excel cells are written as text, and in CSV a text that a spreadsheet
would compute gets an apostrophe in front, which is taken off again on the way back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.data.annotate._filled import (
    Filled,
    Scheme,
    Task,
    read_utf8,
    seconds_of,
    write_guidelines,
)

COLUMNS = ("row_id", "origin", "annotator", "text", "label", "note", "seconds")
NEEDED = ("row_id", "text", "label")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CELL_CHARS = 32767
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_WIDTHS = {"row_id": 18, "origin": 18, "annotator": 12, "text": 80, "label": 22, "note": 30}


def write_xlsx(path: Path, tasks: Sequence[Task], scheme: Scheme, ledger: Ledger) -> list[Path]:
    """A workbook with the sheets tasks, guidelines and labels; labels are chosen from a list.

    Args:
        path: The file.
        tasks: One row for each.
        scheme: Labels and guidelines.
        ledger: Gets a line for each text longer than a cell may be.

    Raises:
        ResourceError: openpyxl is not installed.
    """
    openpyxl = _openpyxl()
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "tasks"
    columns = _columns(tasks)
    _put_row(sheet, 1, columns)
    fitting = []
    for task in tasks:
        if len(task.text) > CELL_CHARS:
            ledger.refuse("text too long for a cell", task.origin, f"{len(task.text)} characters")
        else:
            fitting.append(task)
    for number, task in enumerate(fitting, start=2):
        _put_row(sheet, number, [getattr(task, c, "") for c in columns])
    sheet.freeze_panes = "A2"
    _layout(openpyxl, sheet, columns, len(fitting) + 1)
    guidelines = book.create_sheet("guidelines")
    for number, line in enumerate(scheme.guidelines.splitlines(), start=1):
        _put_row(guidelines, number, [line[:CELL_CHARS]])
    guidelines.column_dimensions["A"].width = 120
    labels = book.create_sheet("labels")
    for number, label in enumerate(scheme.labels, start=1):
        _put_row(labels, number, [label])
    choice = openpyxl.worksheet.datavalidation.DataValidation(
        type="list", formula1=f"=labels!$A$1:$A${len(scheme.labels)}", allow_blank=True
    )
    sheet.add_data_validation(choice)
    letter = openpyxl.utils.get_column_letter(columns.index("label") + 1)
    choice.add(f"{letter}2:{letter}{len(fitting) + 1}")
    book.save(path)
    return [path]


def read_xlsx(path: Path) -> Iterator[Filled]:
    """The sheet ``tasks``, or the first one.

    Raises:
        DataError: This is no workbook, or it lacks a column.
        ResourceError: openpyxl is not installed.
    """
    openpyxl = _openpyxl()
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # zipfile, XML and openpyxl's own; all mean the same
        raise DataError(
            f"this is no Excel workbook: {error}", where=str(path), mend="Save it as .xlsx."
        ) from error
    try:
        sheet = book["tasks"] if "tasks" in book.sheetnames else book.worksheets[0]
        rows = ([_text(v) for v in row] for row in sheet.iter_rows(values_only=True))
        yield from _filled(enumerate(rows, start=1), path)
    finally:
        book.close()


def write_csv(path: Path, tasks: Sequence[Task], scheme: Scheme) -> list[Path]:
    """A table (UTF-8 with the mark that Excel wants) and ``guidelines.md``."""
    columns = _columns(tasks)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for task in tasks:
            writer.writerow([_guarded(getattr(task, c, "")) for c in columns])
    labels = path.with_name("labels.txt")
    labels.write_text("\n".join(scheme.labels) + "\n", encoding="utf-8")
    return [path, labels, *write_guidelines(path.parent, scheme)]


def read_csv(path: Path) -> Iterator[Filled]:
    """A table with commas, semicolons or tabs between its columns.

    Raises:
        DataError: It is not UTF-8, no proper CSV, or lacks a column.
    """
    text = read_utf8(path)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    limit = csv.field_size_limit(2**30)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        yield from _filled(_numbered(reader), path)
    except csv.Error as error:
        raise DataError(f"this is not proper CSV: {error}", where=str(path)) from error
    finally:
        csv.field_size_limit(limit)


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line they start on."""
    line = 1
    for row in reader:
        yield line, [_unguarded(v) for v in row]
        line = reader.line_num + 1


def _filled(rows: Iterable[tuple[int, list[str]]], path: Path) -> Iterator[Filled]:
    columns: list[str] | None = None
    for line, values in rows:
        if not any(values):
            continue
        if columns is None:
            columns = [v.strip().casefold() for v in values]
            if missing := [c for c in NEEDED if c not in columns]:
                raise DataError(
                    f"no column named {', '.join(missing)}",
                    where=f"{path}:{line}",
                    mend="Fill in the file that was exported; keep its first row.",
                )
            continue
        # a short row has empty cells at its end: spreadsheets leave them out
        row = dict(zip(columns, [*values, *[""] * len(columns)], strict=False))
        yield Filled(
            row["row_id"].strip(),
            row["text"],
            row["label"].strip(),
            row.get("annotator", "").strip(),
            f"{path.name}:{line}",
            seconds=seconds_of(row.get("seconds")) if row.get("seconds") else None,
            note=row.get("note", "").strip(),
        )
    if columns is None:
        raise DataError("this table is empty", where=str(path))


def _columns(tasks: Sequence[Task]) -> list[str]:
    """Votes of others are a column only where an adjudicator is asked."""
    columns = list(COLUMNS)
    if any(task.votes for task in tasks):
        columns.insert(columns.index("label"), "votes")
    return columns


def _put_row(sheet: Any, number: int, values: Sequence[str]) -> None:
    for column, value in enumerate(values, start=1):
        if value:
            cell = sheet.cell(number, column)
            cell.value = CONTROL.sub(_space, value)
            cell.data_type = "s"  # text, never a formula


def _space(found: re.Match[str]) -> str:
    return found.group() if found.group() == "\n" else " "


def _layout(openpyxl: Any, sheet: Any, columns: Sequence[str], last: int) -> None:
    for number, name in enumerate(columns, start=1):
        letter = openpyxl.utils.get_column_letter(number)
        sheet.column_dimensions[letter].width = _WIDTHS.get(name, 12)
    wrap = openpyxl.styles.Alignment(wrap_text=True, vertical="top")
    for line in range(2, last + 1):
        sheet.cell(line, columns.index("text") + 1).alignment = wrap


def _text(value: Any) -> str:
    """A cell's value as text: 1.0 is 1, an empty cell is nothing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _guarded(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value


def _unguarded(value: str) -> str:
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def _openpyxl() -> Any:
    try:
        import openpyxl
        import openpyxl.styles
        import openpyxl.worksheet.datavalidation
    except ImportError as error:
        raise ResourceError(
            "Excel files need openpyxl, which is not installed", mend="pip install openpyxl"
        ) from error
    return openpyxl
