"""Collect: read all sources into documents and rows, record by record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.ledger import Entry, Ledger
from luthier.core.progress import Progress
from luthier.core.records import Document, Example, TableWriter
from luthier.data.sources._unusable import is_unusable, unusable
from luthier.data.sources.sources import SourceSpec, read

COLLECT_VERSION = 6
DOCUMENTS, ROWS = "documents.parquet", "rows.parquet"
_BATCH = 4096


def collect(
    sources: Sequence[SourceSpec],
    base: Path,
    folder: Path,
    progress: Progress,
    *,
    max_refused: float = 0.5,
) -> dict[str, Any]:
    """Read all sources into documents and rows.

    Args:
        sources: Read in this order; a name that comes twice is refused the second time.
        base: Folder that relative paths start from.
        folder: Gets ``documents.parquet``, ``rows.parquet`` and the ledger.
        progress: Shows one bar for each source.
        max_refused: Largest share of refused rows that is not an error.

    Returns:
        Counts, reasons of refusal and seconds, as plain JSON.

    Raises:
        DataError: A source cannot be read or used, all are empty, or an id comes twice.
        LeakageError: More rows were refused than ``max_refused`` allows.
    """
    started, ledger = time.monotonic(), Ledger()
    read_in, left_out, lost = 0, 0, dict[str, list[Entry]]()
    with (
        TableWriter(folder / DOCUMENTS, Document) as documents,
        TableWriter(folder / ROWS, Example) as rows,
    ):
        tables = (_Table(documents, ledger), _Table(rows, ledger))
        for number, source in enumerate(sources):
            before, lines = read_in, len(ledger.entries)
            found, more = read(source, base, ledger, progress)
            left_out += more
            for one in found:
                read_in += 1
                tables[isinstance(one, Example)].add(one, source)
            if read_in == before and is_unusable(ledger.entries[lines:]):
                lost[f"data.sources.{number}"] = ledger.entries[lines:]
        for table in tables:
            table.flush()
    read_in += ledger.refused - sum(table.taken for table in tables)
    usable, rows_in = documents.rows + rows.rows, read_in + left_out
    if lost and (not usable or ledger.refused / rows_in > max_refused):
        raise unusable(lost)
    ledger.check(rows_in=rows_in, rows_out=usable + left_out, limit=max_refused, stage="collect")
    if not usable:
        mend = "Add rows, or another source."
        raise DataError("the sources hold no usable row", where="data.sources", mend=mend)
    ledger.write(folder)
    return {
        "documents": documents.rows,
        "rows": rows.rows,
        "left_out": left_out,
        "refused": ledger.refused,
        "reasons": ledger.reasons(),
        "changed": ledger.reasons("changed"),
        "seconds": round(time.monotonic() - started, 2),
    }


class _Table:
    """Records of one kind on their way to the disk; a name may come once."""

    def __init__(self, writer: TableWriter, ledger: Ledger) -> None:
        self.taken = 0
        self._writer, self._ledger = writer, ledger
        self._names: dict[str, str] = {}
        self._waiting: list[Document | Example] = []

    def add(self, record: Document | Example, source: SourceSpec) -> None:
        if record.id in self._names:
            if getattr(getattr(source, "format", source), "id_field", None) is not None:
                raise DataError(
                    f"two sources have the id '{record.id}': {self._names[record.id]} and "
                    f"{record.origin}",
                    where="data.sources: id_field",
                    mend="Leave `id_field` out in one source, or name a column whose ids differ.",
                )
            self.taken += 1
            self._ledger.refuse("name already taken in another source", record.origin, record.id)
            return
        self._names[record.id] = record.origin
        self._waiting.append(record)
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        self._writer.write(self._waiting)
        self._waiting = []
