"""The text of PDF files, page by page."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from luthier.core.ledger import Ledger
from luthier.data.sources._sections import plain_paragraphs, sections

if TYPE_CHECKING:
    from pypdf import PdfReader

_PARSER_TRIPS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    UnicodeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pypdf lets through on damaged files beside its own errors (it says so in its errors.py)."""


class UnreadableError(Exception):
    """A file that cannot be read: (reason, detail) for the ledger."""


def pdf_pages(
    data: bytes, origin_of: Callable[[int], str], ledger: Ledger
) -> Iterator[tuple[int, str]]:
    """The text of each page that holds any, with its number from 1.

    A page without text (a scan, a picture) or that cannot be read is refused on its own.

    Args:
        data: The file.
        origin_of: What a page of a number is called in the ledger.
        ledger: Gets a line for each page without text.

    Raises:
        UnreadableError: The file is damaged, or encrypted with a password.
    """
    from pypdf.errors import DependencyError, PyPdfError

    reader = _opened(data)
    for index in range(_page_count(reader)):
        origin = origin_of(index + 1)
        try:
            text = reader.pages[index].extract_text()
        except (PyPdfError, DependencyError, *_PARSER_TRIPS) as error:
            ledger.refuse("page cannot be read", origin, f"{type(error).__name__}: {error}")
            continue
        text = _clean(text)
        if text:
            yield index + 1, text
        else:
            ledger.refuse("page without text", origin, "a scan or a picture: needs OCR")


def pdf_sections(
    data: bytes, origin_of: Callable[[int], str], limit: int, ledger: Ledger
) -> Iterator[tuple[str, str, str]]:
    """The (origin, text, title "") of each section; none reaches over the end of its page.

    Args:
        data: The file.
        origin_of: What a page of a number is called.
        limit: Largest number of characters of a section.
        ledger: Gets a line for each page without text.

    Raises:
        UnreadableError: The file is damaged, or encrypted with a password.
    """
    for page, text in pdf_pages(data, origin_of, ledger):
        for _, section in sections(plain_paragraphs(text), limit):
            yield origin_of(page), section, ""


def _opened(data: bytes) -> PdfReader:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    # What it repairs on its own is of no use on the screen: what it cannot repair is raised.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        reader = PdfReader(io.BytesIO(data))
        # Many files are encrypted with an empty password, only to forbid printing.
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("file is encrypted", "it needs a password")
    except DependencyError as error:
        raise UnreadableError("file is encrypted", str(error)) from error
    except (PyPdfError, *_PARSER_TRIPS) as error:
        raise UnreadableError("file is damaged", f"{type(error).__name__}: {error}") from error
    return reader


def _page_count(reader: PdfReader) -> int:
    from pypdf.errors import DependencyError, PyPdfError

    try:
        count = len(reader.pages)
    except (PyPdfError, DependencyError, *_PARSER_TRIPS) as error:
        raise UnreadableError("file is damaged", f"{type(error).__name__}: {error}") from error
    if not count:
        raise UnreadableError("file is damaged", "it has no pages")
    return count


def _clean(text: str) -> str:
    """Without characters that cannot be written (lone surrogates, zero bytes) and loose ends."""
    whole = text.encode("utf-8", errors="replace").decode("utf-8").replace("\x00", "")
    return "\n".join(line.rstrip() for line in whole.split("\n")).strip()
