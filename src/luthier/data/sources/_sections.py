"""Paragraphs joined and cut into sections, and the headings they stand under."""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from luthier.core.ledger import Ledger
from luthier.core.records import Document

Paragraph = tuple[int, str]
"""Where it stands (a line, a page or a paragraph's number, all from 1), and its text."""
Heading = tuple[int, str]
"""Where it stands, and the path of headings that ends in it: ``Guide > Install``."""

PATH_SIGN = " > "
CELL_SIGN = " | "
TITLE_CHARS = 80


def sections(
    paragraphs: Iterable[Paragraph],
    limit: int,
    *,
    by_line: bool = True,
    headings: Collection[int] = (),
) -> Iterator[Paragraph]:
    """Join paragraphs into sections of at most ``limit`` characters.

    Args:
        paragraphs: (place, text). Longer ones than ``limit`` are cut between words. Those that
            begin with a line break stand right below the one before, others after a blank line.
        limit: Characters.
        by_line: The place is a line, so that it grows inside a paragraph of several lines.
        headings: Places where a section ends, once it holds a quarter of the limit, so that
            headings stand with what follows them.
    """
    start, held = 0, ""
    for place, paragraph in paragraphs:
        gap = "\n" if paragraph.startswith("\n") else "\n\n"
        for at, piece in _cut(place, paragraph.removeprefix("\n"), limit):
            opens = place in headings and len(held) * 4 >= limit
            if held and (opens or len(held) + 2 + len(piece) > limit):
                yield start, held
                held = ""
            begin = at if by_line else place
            start, held = (start, f"{held}{gap}{piece}") if held else (begin, piece)
    if held:
        yield start, held


def plain_paragraphs(text: str) -> Iterator[Paragraph]:
    """The blocks between blank lines, each with the line it starts on."""
    line = 1
    for block in re.split(r"(\n[ \t]*(?:\n[ \t]*)+)", text.replace("\r\n", "\n")):
        body = block.strip("\n")
        if body.strip():
            yield line + len(block) - len(block.lstrip("\n")), body.rstrip()
        line += block.count("\n")


def as_documents(
    found: Iterable[tuple[str, str, str]], name: str, min_chars: int, ledger: Ledger
) -> Iterator[Document]:
    """Sections as documents, numbered from 1; those that are too short are refused.

    Args:
        found: (origin, text, title or "") of each section.
        name: Of the file or page: the group of its documents, and the start of their names.
        min_chars: Shorter sections go into the ledger.
        ledger: Gets a line for each that is too short.
    """
    for number, (origin, section, title) in enumerate(found, 1):
        if len(section) < min_chars:
            ledger.refuse("section too short", origin, section)
            continue
        told = title or _title(name, section)
        yield Document(f"{name}#{number}", told, section, origin, "text", name)


def heading_paths(headings: Iterable[tuple[int, int, str]]) -> list[Heading]:
    """The path of each heading through those above it.

    Args:
        headings: (place, level from 1, text) in reading order.
    """
    open_ones: list[tuple[int, str]] = []
    found = []
    for place, level, text in headings:
        while open_ones and open_ones[-1][0] >= level:
            open_ones.pop()
        open_ones.append((level, text))
        found.append((place, PATH_SIGN.join(t for _, t in open_ones)))
    return found


def heading_at(headings: Sequence[Heading], place: int) -> str:
    """The path of the last heading at or before a place, or ""."""
    index = bisect.bisect_right(headings, place, key=lambda h: h[0])
    return headings[index - 1][1] if index else ""


def _cut(line: int, paragraph: str, limit: int) -> Iterator[Paragraph]:
    """Pieces of at most ``limit`` characters; no rest is copied, as one line may have 50 MB."""
    start, end = 0, len(paragraph)
    while end - start > limit:
        if not start:
            end = len(paragraph.rstrip())
        stop = start + limit
        place = max(
            paragraph.rfind("\n", start + 1, stop),
            paragraph.rfind(". ", start + 1, stop - 1) + 1,
        )
        place = place if place - start > limit // 2 else paragraph.rfind(" ", start + 1, stop)
        place = place if place > start else stop
        yield line, paragraph[start:place].rstrip()
        line += paragraph.count("\n", start, place)
        start = place
        while start < end and paragraph[start] == "\n":
            start, line = start + 1, line + 1
        while start < end and paragraph[start].isspace():
            start += 1
    if start < end:
        yield line, paragraph[start:end]


def _title(name: str, section: str) -> str:
    first = next((t for line in section.split("\n") if (t := line.strip(" #*=\t"))), "")
    return first if 0 < len(first) <= TITLE_CHARS else PurePosixPath(name).name
