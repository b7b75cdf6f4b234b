"""Source kind ``text``: text, Markdown, reStructuredText and HTML files, cut into sections."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress, track
from luthier.core.records import Document
from luthier.core.spec import Spec

SUFFIXES = (".txt", ".md", ".rst", ".html", ".htm")
_SILENT_TAGS = frozenset(
    ["script", "style", "head", "nav", "header", "footer", "aside", "form", "svg", "template"]
)
_BLOCK_TAGS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "tr",
        "pre",
        "blockquote",
        "figure",
        "figcaption",
        "br",
        "hr",
        "body",
        "details",
        "summary",
    ]
)

Paragraph = tuple[int, str]


class TextSource(Spec):
    """Text files: ``.txt``, ``.md``, ``.rst``, ``.html``, each also with ``.gz``."""

    kind: Literal["text"] = "text"
    paths: tuple[str, ...] = Field(min_length=1)
    """File names or glob patterns (``docs/**/*.html``), relative to the project file."""
    section_chars: int = Field(default=2000, ge=200)
    """A document holds whole paragraphs up to about this many characters."""
    min_section_chars: int = Field(default=40, ge=1)
    """Shorter sections are refused."""


def files_of(source: TextSource, base: Path) -> list[tuple[str, Path]]:
    """The named files, each once, sorted by name.

    Returns:
        (name as in origins: relative to ``base`` where it lies below it, path).

    Raises:
        DataError: A pattern matches no file of a known kind.
    """
    found: dict[str, Path] = {}
    for pattern in source.paths:
        where = Path(pattern)
        root = Path(where.anchor) if where.is_absolute() else base
        inner = where.relative_to(where.anchor) if where.is_absolute() else where
        matches = [p for p in root.glob(str(inner)) if p.is_file() and _suffix(p) in SUFFIXES]
        if not matches:
            raise DataError(
                f"no text file matches '{pattern}'",
                where="data.sources (text)",
                mend=f"Patterns start at {base}; known endings: {', '.join(SUFFIXES)} (also .gz).",
            )
        for path in matches:
            name = path.relative_to(base) if path.is_relative_to(base) else path
            found[name.as_posix()] = path
    return sorted(found.items())


def read_text(source: TextSource, base: Path, ledger: Ledger, progress: Progress) -> list[Document]:
    """Read all files into sections.

    Args:
        source: What to read.
        base: Folder that relative patterns start from.
        ledger: Gets a line for each file that is not text and each section that is too short.
        progress: Shows the files.

    Raises:
        DataError: A pattern matches nothing.
    """
    files = files_of(source, base)
    documents: list[Document] = []
    for name, path in track(progress, files, "Reading texts", len(files)):
        try:
            text = _content(path)
        except (OSError, EOFError, zlib.error) as error:
            ledger.refuse("file cannot be read", name, str(error))
            continue
        except UnicodeDecodeError as error:
            ledger.refuse("file is not UTF-8", name, str(error))
            continue
        paragraphs = html_paragraphs(text) if _suffix(path) in (".html", ".htm") else _plain(text)
        for number, (line, section) in enumerate(sections(paragraphs, source.section_chars), 1):
            origin = f"{name}:{line}"
            if len(section) < source.min_section_chars:
                ledger.refuse("section too short", origin, section)
                continue
            documents.append(_document(name, origin, section, number))
    return documents


def sections(paragraphs: Iterator[Paragraph], limit: int) -> Iterator[Paragraph]:
    """Join paragraphs into sections of at most ``limit`` characters.

    Args:
        paragraphs: (line in the file, text). Longer ones than ``limit`` are cut between words.
        limit: Characters.
    """
    start, held = 0, ""
    for line, paragraph in paragraphs:
        for at, piece in _cut(line, paragraph, limit):
            if held and len(held) + 2 + len(piece) > limit:
                yield start, held
                held = ""
            start, held = (start, f"{held}\n\n{piece}") if held else (at, piece)
    if held:
        yield start, held


def _cut(line: int, paragraph: str, limit: int) -> Iterator[Paragraph]:
    while len(paragraph) > limit:
        place = max(paragraph.rfind("\n", 1, limit), paragraph.rfind(". ", 1, limit - 1) + 1)
        place = place if place > limit // 2 else paragraph.rfind(" ", 1, limit)
        place = place if place > 0 else limit
        yield line, paragraph[:place].rstrip()
        line += paragraph.count("\n", 0, place)
        rest = paragraph[place:]
        line += len(rest) - len(rest.lstrip("\n"))
        paragraph = rest.strip()
    if paragraph:
        yield line, paragraph


def _plain(text: str) -> Iterator[Paragraph]:
    line = 1
    for block in re.split(r"(\n[ \t]*(?:\n[ \t]*)+)", text.replace("\r\n", "\n")):
        body = block.strip("\n")
        if body.strip():
            yield line + len(block) - len(block.lstrip("\n")), body.rstrip()
        line += block.count("\n")


class _Reader(HTMLParser):
    """Collects the visible text of a page, block by block, with line numbers."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Paragraph] = []
        self._line, self._held = 0, ""
        self._silent = self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCK_TAGS:
            self.flush()
        self._silent += tag in _SILENT_TAGS
        self._verbatim += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCK_TAGS:
            self.flush()
        if tag in _SILENT_TAGS:
            self._silent = max(self._silent - 1, 0)
        if tag == "pre":
            self._verbatim = max(self._verbatim - 1, 0)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if not self._held.strip() and data.strip():
            self._line = self.getpos()[0]
        self._held += data if self._verbatim else " ".join(re.split(r"\s+", data))

    def flush(self) -> None:
        """End the current block."""
        text = self._held.replace("\u00b6", "").strip("\n")
        self._held = ""
        if text.strip():
            self.blocks.append((self._line, text if "\n" in text else text.strip()))


def html_paragraphs(page: str) -> Iterator[Paragraph]:
    """The visible text of an HTML page as (line in the file, block)."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.flush()
    yield from reader.blocks


def _content(path: Path) -> str:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("utf-8-sig").replace("\x00", "")


def _suffix(path: Path) -> str:
    named = path.with_suffix("") if path.suffix == ".gz" else path
    return named.suffix.lower()


def _document(name: str, origin: str, section: str, number: int) -> Document:
    first = next(line.strip(" #*=\t") for line in section.split("\n") if line.strip())
    title = first if 0 < len(first) <= 80 else Path(name).name
    return Document(f"{name}#{number}", title, section, origin, "text", name)
