"""The text of PDF files, page by page, through PDFium.

PDFium was chosen over pypdf: on real manuals it is about ten times as fast, and it finds the spaces
between words in files made by TeX, where pypdf runs whole lines together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from luthier.core.ledger import Ledger
from luthier.data.sources._sections import (
    TITLE_CHARS,
    Heading,
    heading_paths,
    plain_paragraphs,
    sections,
)

_PASSWORD, _SECURITY = 4, 5  # FPDF_ERR_PASSWORD, FPDF_ERR_SECURITY
# Also what stands over the edge of the page; PDFium's other function knows no rare characters.
_EVERYWHERE = (-1e6, -1e6, 1e6, 1e6)
# PDFium writes this sign where a line ends inside a word.
_BROKEN_WORD = "\x02"
_SCANNED = "a scan or a picture: let a program for text recognition add the text to the file"
_WORDS = re.compile(r"[^\W\d_]{2}")


class UnreadableError(Exception):
    """A file that cannot be read: (reason, detail) for the ledger."""


def pdf_sections(
    data: bytes, origin_of: Callable[[int], str], limit: int, ledger: Ledger
) -> Iterator[tuple[str, str, str]]:
    """The (origin, text, title or "") of each section; none reaches over the end of its page.

    A page without text (a scan, a picture) or that cannot be read is refused on its own. Words
    that a line's end divides are joined again. A title is the path in the file's outline, or else
    the section's first line that holds a word.

    Args:
        data: The file.
        origin_of: What a page of a number, from 1, is called.
        limit: Largest number of characters of a section.
        ledger: Gets a line for each page without text.

    Raises:
        UnreadableError: The file is damaged, or encrypted with a password.
    """
    document = _opened(data)
    try:
        outline = _outline(document)
        for page, text in _pages(document, origin_of, ledger):
            path = _path_at(outline, page)
            for _, section in sections(plain_paragraphs(text), limit):
                yield origin_of(page), section, path or _first_words(section)
    finally:
        document.close()


def _opened(data: bytes) -> Any:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)  # tries an empty password by itself
    except pypdfium2.PdfiumError as error:
        if error.err_code in (_PASSWORD, _SECURITY):
            raise UnreadableError("file is encrypted", "it needs a password") from error
        raise UnreadableError("file is damaged", str(error)) from error
    if len(document) == 0:
        document.close()
        raise UnreadableError("file is damaged", "it has no pages")
    return document


def _pages(
    document: Any, origin_of: Callable[[int], str], ledger: Ledger
) -> Iterator[tuple[int, str]]:
    import pypdfium2

    for index in range(len(document)):
        try:
            page = document[index]
            try:
                text = _clean(page.get_textpage().get_text_bounded(*_EVERYWHERE))
            finally:
                page.close()
        except pypdfium2.PdfiumError as error:
            ledger.refuse("page cannot be read", origin_of(index + 1), str(error))
            continue
        if text:
            yield index + 1, text
        else:
            ledger.refuse("page without text, needs OCR", origin_of(index + 1), _SCANNED)


def _clean(text: str) -> str:
    text = text.replace(_BROKEN_WORD, "").replace("\x00", "").replace("\r\n", "\n")
    whole = text.encode("utf-8", errors="replace").decode("utf-8")
    return "\n".join(line.rstrip() for line in whole.split("\n")).strip()


def _outline(document: Any) -> list[Heading]:
    """The paths of the outline's entries by page; entries that go back are left out."""
    found: list[tuple[int, int, str]] = []
    for entry in document.get_toc():
        aim = entry.get_dest()
        index = aim.get_index() if aim else None
        title = " ".join(_clean(entry.get_title()).split())
        if index is None or not title or (found and index + 1 < found[-1][0]):
            continue
        found.append((index + 1, entry.level + 1, title))
    return heading_paths(found)


def _path_at(outline: list[Heading], page: int) -> str:
    """Where a page begins: its first entry, or the last one of the pages before."""
    path = ""
    for place, entry in outline:
        if place > page:
            break
        path = entry
        if place == page:
            break
    return path


def _first_words(section: str) -> str:
    lines = (line.strip() for line in section.split("\n"))
    return next((t for t in lines if _WORDS.search(t) and len(t) <= TITLE_CHARS), "")
