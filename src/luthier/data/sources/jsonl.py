"""Source kind ``jsonl``: one JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources._decode import known, lines
from luthier.data.sources.files import empty, read_files
from luthier.data.sources.raw import Raw, RowSource


class JsonlSource(RowSource):
    """JSON Lines files: one object on each line, in any of the dialects."""

    kind: Literal["jsonl"] = "jsonl"
    path: str
    """A file, or a pattern such as ``chats/*.jsonl.gz``, relative to the project file."""
    encoding: Annotated[str, AfterValidator(known)] = "auto"
    """``auto`` tells UTF-8, UTF-16 and Windows' cp1252 apart; else as Python names it."""


def read_jsonl(
    source: JsonlSource, base: Path, ledger: Ledger, progress: Progress
) -> Iterator[Raw]:
    """Read JSON Lines files, line by line.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each line that is not a JSON object or cannot be read, and one for
            each file in another encoding than UTF-8.
        progress: Shows how many rows were read.

    Yields:
        Each object.

    Raises:
        DataError: A file is missing, empty or damaged.
    """
    return read_files(
        source.path, base, progress, lambda name, path: _rows(source, name, path, ledger)
    )


def _rows(source: JsonlSource, name: str, path: Path, ledger: Ledger) -> Iterator[Raw]:
    found = False
    for line, text, fault in lines(path, name, source.encoding, ledger):
        if text.isspace() or not text:
            continue
        found = True
        origin = f"{name}:{line}"
        if fault:
            ledger.refuse("bytes that are not text", origin, fault)
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            ledger.refuse("not JSON", origin, str(error))
            continue
        if isinstance(row, dict):
            yield Raw(row, origin)
        else:
            ledger.refuse("not a JSON object", origin, text)
    if not found:
        raise empty(path)
