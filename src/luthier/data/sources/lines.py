"""Source kind ``lines``: text files with one row on each line, taken apart by a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.data.sources._decode import known, lines
from luthier.data.sources.dialects import check_columns
from luthier.data.sources.files import empty, read_files
from luthier.data.sources.raw import Raw, RowSource


def _pattern(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if not groups:
        raise ValueError("the pattern needs named groups, such as (?P<text>.+)")
    return pattern


class LinesSource(RowSource):
    """Text files with one row on each line; a regular expression says what its parts are."""

    kind: Literal["lines"] = "lines"
    path: str
    """A file, or a pattern such as ``logs/*.txt.gz``, relative to the project file."""
    pattern: Annotated[str, AfterValidator(_pattern)]
    r"""Must fit a whole line; named groups are the columns: ``(?P<label>\w+) (?P<text>.+)``."""
    encoding: Annotated[str, AfterValidator(known)] = "auto"
    """``auto`` tells UTF-8, UTF-16 and Windows' cp1252 apart; else as Python names it."""


def read_lines(
    source: LinesSource, base: Path, ledger: Ledger, progress: Progress
) -> Iterator[Raw]:
    """Read text files line by line; blank lines are passed over.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each line that does not fit the pattern or cannot be read.
        progress: Shows how many rows were read.

    Yields:
        The named parts of each line.

    Raises:
        DataError: A file is missing, empty or damaged, or the pattern lacks needed columns.
    """
    pattern = re.compile(source.pattern)
    check_columns(list(pattern.groupindex), source, "data.sources: pattern")
    yield from read_files(
        source.path, base, progress, lambda name, path: _rows(pattern, source, name, path, ledger)
    )


def _rows(
    pattern: re.Pattern[str], source: LinesSource, name: str, path: Path, ledger: Ledger
) -> Iterator[Raw]:
    found = False
    for line, text, fault in lines(path, name, source.encoding, ledger):
        bare = text.rstrip("\r\n")
        if not bare.strip():
            continue
        found = True
        origin = f"{name}:{line}"
        if fault:
            ledger.refuse("bytes that are not text", origin, fault)
        elif (match := pattern.fullmatch(bare)) is not None:
            yield Raw(match.groupdict(), origin)
        else:
            ledger.refuse("line does not fit the pattern", origin, bare)
    if not found:
        raise empty(path)
