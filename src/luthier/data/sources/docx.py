"""The text of Word files (.docx, ECMA-376): headings, paragraphs and tables in reading order.

The text is taken from the document's XML itself: python-docx's own ``paragraph.text`` leaves out
what stands in content controls, tracked insertions and text boxes.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from luthier.data.sources._sections import CELL_SIGN, Heading, Paragraph, heading_paths
from luthier.data.sources.pdf import UnreadableError

if TYPE_CHECKING:
    from docx.document import Document as Word

_OLE = b"\xd0\xcf\x11\xe0"
_MAX_UNPACKED = 1 << 30
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MARKS = {
    f"{_WORD}tab": "\t",
    f"{_WORD}br": "\n",
    f"{_WORD}cr": "\n",
    f"{_WORD}noBreakHyphen": "-",
}
# What a reader of the finished document does not see: text moved away, field codes, settings.
_UNSEEN = frozenset(
    [_FALLBACK, *(f"{_WORD}{n}" for n in ("del", "moveFrom", "instrText", "pPr", "rPr", "sectPr"))]
)
_BLOCKS = frozenset([f"{_WORD}p", f"{_WORD}tbl"])
_HEADING = re.compile(r"heading (\d)$", re.IGNORECASE)


def docx_paragraphs(data: bytes) -> tuple[list[Paragraph], list[Heading]]:
    """The paragraphs of a Word file, and the paths of its headings.

    Paragraphs that hold text are counted from 1; a table counts as one, its rows are lines and its
    cells stand between ``|``. Headers, footers, footnotes and comments are left out.

    Args:
        data: The file.

    Raises:
        UnreadableError: The file is not .docx, is damaged, or is encrypted.
    """
    document = _opened(data)
    levels = _heading_levels(document)
    paragraphs: list[Paragraph] = []
    headings: list[tuple[int, int, str]] = []
    for block in _blocks(document.element.body):
        text = _table_text(block) if block.tag == f"{_WORD}tbl" else _text(block)
        text = text.strip("\n").rstrip()
        if not text.strip():
            continue
        paragraphs.append((len(paragraphs) + 1, text))
        level = levels.get(_style_of(block), 0)
        if level:
            headings.append((len(paragraphs), level, " ".join(text.split())))
    return paragraphs, heading_paths(headings)


def _opened(data: bytes) -> Word:
    import docx
    from docx.opc.exceptions import OpcError

    if data.startswith(_OLE):
        raise UnreadableError("file is encrypted", "or it is of Word's old kind (.doc)")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > _MAX_UNPACKED:
                raise UnreadableError("file too large", "over 1 GiB when unpacked")
        return docx.Document(io.BytesIO(data))
    except (
        OpcError,
        AttributeError,
        LookupError,
        NotImplementedError,
        OSError,
        RuntimeError,
        SyntaxError,  # what lxml calls broken XML
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UnreadableError("file is damaged", f"{type(error).__name__}: {error}") from error


def _heading_levels(document: Word) -> dict[str, int]:
    """Style id to level, for the styles that are headings or made from one; a title is level 1."""
    from docx.enum.style import WD_STYLE_TYPE

    levels = {}
    for style in document.styles:
        ancestor: Any = style if style.type == WD_STYLE_TYPE.PARAGRAPH else None
        for _ in range(10):
            if ancestor is None:
                break
            name = ancestor.name or ""
            found = _HEADING.match(name)
            if found or name == "Title":
                levels[style.style_id] = int(found[1]) if found else 1
                break
            ancestor = ancestor.base_style
    return levels


def _style_of(block: Any) -> str:
    named = block.find(f"{_WORD}pPr/{_WORD}pStyle")
    return "" if named is None else str(named.get(f"{_WORD}val", ""))


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in reading order, also those inside content controls."""
    for child in parent:
        if child.tag in _BLOCKS:
            yield child
        elif isinstance(child.tag, str) and child.tag not in _UNSEEN:
            yield from _blocks(child)


def _text(element: Any) -> str:
    """All visible text below an element; text boxes follow as lines of their own."""
    found = []
    for child in element:
        if child.tag == f"{_WORD}t":
            found.append(child.text or "")
        elif child.tag in _MARKS:
            found.append(_MARKS[child.tag])
        elif child.tag == f"{_WORD}tbl":
            found.append(f"\n{_table_text(child)}\n")
        elif isinstance(child.tag, str) and child.tag not in _UNSEEN:
            inside = _text(child)
            found.append(f"\n{inside}\n" if child.tag == f"{_WORD}p" else inside)
    return "".join(found)


def _table_text(table: Any) -> str:
    rows = []
    for row in _inside(table, f"{_WORD}tr"):
        cells = (" ".join(_text(cell).split()) for cell in _inside(row, f"{_WORD}tc"))
        rows.append(CELL_SIGN.join(cells))
    return "\n".join(row for row in rows if row.strip(" |"))


def _inside(parent: Any, tag: str) -> Iterator[Any]:
    """Rows or cells, also those inside content controls."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif isinstance(child.tag, str) and child.tag not in _UNSEEN:
            yield from _inside(child, tag)
