"""Source kind ``text``: files of text, Markdown, HTML, PDF and Word, cut into sections."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress, track
from luthier.core.records import EVERYONE, Document
from luthier.data.sources._access import Described, Facts, facts_of, with_facts
from luthier.data.sources._charset import decode_document
from luthier.data.sources._libraries import require
from luthier.data.sources._sections import as_documents, heading_at, plain_paragraphs, sections
from luthier.data.sources.docx import docx_paragraphs
from luthier.data.sources.html import html_paragraphs
from luthier.data.sources.markdown import front_matter, markdown_headings
from luthier.data.sources.pdf import UnreadableError, pdf_sections

Section = tuple[str, str, str]
"""Origin, text, and title or ""."""
SUFFIXES = (".txt", ".md", ".rst", ".html", ".htm", ".pdf", ".docx")
CODE_SUFFIXES = (
    *(".c", ".cc", ".cpp", ".cs", ".go", ".h", ".hpp", ".java", ".js", ".jsx", ".kt", ".lua"),
    *(".php", ".pl", ".py", ".pyi", ".r", ".rb", ".rs", ".scala", ".sh", ".sql", ".swift", ".ts"),
    ".tsx",
)
"""Programs; they are read only where a pattern names the ending, not as part of a folder."""


class TextSource(Described):
    """Files of text: ``.txt``, ``.md``, ``.rst``, ``.html``, ``.pdf``, ``.docx``; also ``.gz``.

    Programs (``src/**/*.py``) are read where their ending is named, each as one document.
    """

    kind: Literal["text"] = "text"
    paths: tuple[str, ...] = Field(min_length=1)
    """Files, folders, or glob patterns (``docs/**/*.html``), relative to the project file."""
    section_chars: int = Field(default=2000, ge=200)
    """A document holds whole paragraphs up to about this many characters."""
    min_section_chars: int = Field(default=40, ge=1)
    """Shorter sections are refused."""
    modified: Literal["unknown", "mtime"] = "unknown"
    """When a file was last changed: not known, or what the file system says; then a file that is
    only touched counts as changed."""


def files_of(source: TextSource, base: Path) -> list[tuple[str, Path]]:
    """The named files, each once, sorted by name.

    A folder stands for all files of known kinds below it, but for hidden ones.

    Returns:
        (name as in origins: relative to ``base`` where it lies below it, path).

    Raises:
        DataError: A pattern matches no file of a known kind.
    """
    found: dict[str, Path] = {}
    for pattern in source.paths:
        named = _suffix(Path(pattern))
        known = {*SUFFIXES, named} if named in CODE_SUFFIXES else set(SUFFIXES)
        matches = [p for p in _matches(pattern, base) if _suffix(p) in known]
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


def read_text(
    source: TextSource, base: Path, ledger: Ledger, progress: Progress
) -> Iterator[Document]:
    """Read all files into sections, one file at a time.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Gets a line for each file or page that cannot be used (encrypted, damaged, a scan
            or a file without text, no known encoding) and for each section that is too short.
        progress: Shows the files.

    Returns:
        Documents, as they are read. Their origins are ``guide.md:17`` (a line, also in HTML),
        ``file.pdf:page 3`` and ``file.docx:paragraph 12``.

    Raises:
        DataError: A pattern matches nothing; at once, before anything is read.
        ResourceError: The library for PDF or Word files is not installed; also at once.
    """
    files = files_of(source, base)
    kinds = {_suffix(path) for _, path in files}
    if ".pdf" in kinds:
        require("pypdfium2", "PDF files")
    if ".docx" in kinds:
        require("docx", "Word files")

    def read() -> Iterator[Document]:
        for name, path in track(progress, files, "Reading texts", len(files)):
            try:
                found = _some(_found(name, path, source.section_chars, ledger), _suffix(path))
                facts = _facts(source, name, path, ledger)
                for document in as_documents(found, name, source.min_section_chars, ledger):
                    if _suffix(path) in CODE_SUFFIXES:
                        document = dataclasses.replace(document, kind="code")
                    yield document if facts is None else with_facts(document, facts)
            except UnreadableError as error:
                ledger.refuse(error.args[0], name, error.args[1])
            except (OSError, EOFError, zlib.error) as error:
                ledger.refuse("file cannot be read", name, str(error))
            except UnicodeDecodeError as error:
                ledger.refuse("file is not UTF-8", name, str(error))

    return read()


def digest_text(source: TextSource, base: Path) -> str:
    """SHA-256 (hex) over the names, sizes and contents of the files.

    Raises:
        DataError: A pattern matches nothing, or a file cannot be read.
    """
    found = hashlib.sha256()
    for name, path in files_of(source, base):
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
            found.update(f"\n{name}\n{path.stat().st_size}\n".encode() + content)
            if source.modified == "mtime":
                found.update(str(path.stat().st_mtime_ns).encode())
        except OSError as error:
            raise DataError(
                f"cannot read this file: {error.strerror}",
                where=name,
                mend="Check its permissions, or leave it out of `paths`.",
            ) from error
    return found.hexdigest()


def _facts(source: TextSource, name: str, path: Path, ledger: Ledger) -> Facts | None:
    """What is known of a file besides its text; None if nothing is asked for."""
    dated = source.modified == "mtime"
    if not (source.told_by or dated or source.access != (EVERYONE,)):
        return None
    told: dict[str, Any] | None = {}
    if source.told_by and _suffix(path) == ".md":
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        told = front_matter(decode_document(data, markup=False)[0])
        if told is None:
            ledger.change("front matter cannot be read", name)
    facts = facts_of(told or {}, source, name, ledger)
    if dated and not facts.modified_s:
        facts = dataclasses.replace(facts, modified_s=path.stat().st_mtime)
    return facts


def _found(name: str, path: Path, limit: int, ledger: Ledger) -> Iterator[Section]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    suffix = _suffix(path)
    if suffix == ".pdf":
        yield from pdf_sections(data, lambda page: f"{name}:page {page}", limit, ledger)
        return
    if suffix == ".docx":
        paragraphs, headings = docx_paragraphs(data)
        opening = {place for place, _ in headings}
        for place, section in sections(paragraphs, limit, by_line=False, headings=opening):
            yield f"{name}:paragraph {place}", section, heading_at(headings, place)
        return
    markup = suffix in (".html", ".htm")
    text, encoding = decode_document(data, markup=markup)
    if encoding != "utf-8":
        ledger.change("file is not UTF-8", name, f"read as {encoding}")
    if suffix in CODE_SUFFIXES:
        body = text.replace("\r\n", "\n").rstrip()
        blank = len(body) - len(body.lstrip())
        first = body.rfind("\n", 0, blank) + 1  # the first line keeps its indentation
        if body:
            yield f"{name}:{body.count(chr(10), 0, first) + 1}", body[first:], path.name
        return
    headings = markdown_headings(text) if suffix == ".md" else []
    blocks = html_paragraphs(text) if markup else plain_paragraphs(text)
    for place, section in sections(blocks, limit):
        yield f"{name}:{place}", section, heading_at(headings, place)


def _some(found: Iterator[Section], suffix: str) -> Iterator[Section]:
    """The same sections, if there are any; of a PDF each page without text has its own line."""
    first = next(found, None)
    if first is None and suffix != ".pdf":
        raise UnreadableError("file without text", "it is empty, or holds pictures alone")
    return iter(()) if first is None else chain([first], found)


def _matches(pattern: str, base: Path) -> list[Path]:
    where = Path(pattern)
    root = Path(where.anchor) if where.is_absolute() else base
    inner = where.relative_to(where.anchor) if where.is_absolute() else where
    try:
        matches = list(root.glob(str(inner))) if str(inner) != "." else [root]
    except ValueError as error:
        raise DataError(
            f"'{pattern}' is not a pattern: {error}", where="data.sources (text)"
        ) from error
    files = [p for p in matches if p.is_file()]
    for folder in (p for p in matches if p.is_dir()):
        if inner.name != "*" and "**" not in inner.parts:
            files += [p for p in folder.rglob("*") if p.is_file() and not _hidden(p, folder)]
    return files


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _suffix(path: Path) -> str:
    named = path.with_suffix("") if path.suffix == ".gz" else path
    return named.suffix.lower()
