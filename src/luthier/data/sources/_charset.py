"""Bytes to text: by byte order mark, by declaration, as UTF-8, or as a last resort Windows-1252."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)|"""
    rb"""<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9_.:-]+)""",
    re.IGNORECASE,
)
_DECLARED_WITHIN = 4096
_WESTERN = frozenset(["ascii", "iso8859-1"])


def decode_document(data: bytes, *, markup: bool = False) -> tuple[str, str]:
    """The text of a local file, and the encoding it was read as.

    A byte order mark decides, then UTF-8, then, in markup, what the page declares.

    Args:
        data: The file.
        markup: HTML, whose ``<meta charset>`` counts.

    Raises:
        UnicodeDecodeError: None of these fits.
    """
    marked = _by_mark(data)
    if marked:
        return _tidy(data.decode(marked)), marked
    try:
        return _tidy(data.decode("utf-8")), "utf-8"
    except UnicodeDecodeError:
        name = _known(declared_charset(data)) if markup else ""
        if name in ("", "utf-8"):
            raise
        return _tidy(data.decode(name)), name


def decode_page(data: bytes, header_charset: str) -> tuple[str, str]:
    """The text of a web page, and what had to be mended, if anything.

    Tried in the order of the HTML standard (13.2.3.2): byte order mark, the HTTP header, the
    page's own declaration; then UTF-8. What fits none of them is read as UTF-8 with replacement
    signs where most of it is UTF-8, and as Windows-1252 where it is not.

    Args:
        data: The body.
        header_charset: From ``Content-Type``, or "".

    Returns:
        (text, "" or a phrase for the ledger's detail).
    """
    named = [_by_mark(data), _known(header_charset), _known(declared_charset(data))]
    tried = list(dict.fromkeys([n for n in named if n] + ["utf-8"]))
    for name in tried:
        try:
            text = data.decode(name)
        except UnicodeError:
            continue
        return _tidy(text), "" if name == tried[0] else f"read as {name}, not {tried[0]}"
    text = data.decode("utf-8", errors="replace")
    wrong = text.count("\ufffd")
    if wrong * 2 > sum(c > "\x7f" for c in text):
        text = data.decode("cp1252", errors="replace")
        return _tidy(text), f"read as windows-1252, not {tried[0]}"
    return _tidy(text), f"{wrong} broken characters"


def declared_charset(data: bytes) -> str:
    """The charset that a page's ``<meta>`` or XML declaration names, or ""."""
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    return (found[1] or found[2]).decode("ascii") if found else ""


def _by_mark(data: bytes) -> str:
    return next((name for mark, name in _MARKS if data.startswith(mark)), "")


def _known(label: str) -> str:
    """Python's name of an encoding; Latin-1 means Windows-1252, as in every browser."""
    try:
        name = codecs.lookup(label.strip().strip("\"'")).name
        b"abcd".decode(
            name, "ignore"
        )  # raises for codecs that are not encodings of text, such as hex
    except (LookupError, ValueError):
        return ""
    return "cp1252" if name in _WESTERN else name


def _tidy(text: str) -> str:
    """Without byte order mark, zero bytes, and halves of surrogate pairs (UTF-7 lets them by)."""
    text = text.removeprefix("\ufeff").replace("\x00", "")
    return text.encode("utf-8", errors="replace").decode("utf-8")
