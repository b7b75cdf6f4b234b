"""The visible text of HTML pages, block by block, each with the source line it starts on.

Faster parsers (selectolax, lxml) do not tell the line of a piece of text, which origins need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from luthier.data.sources._sections import CELL_SIGN, Paragraph

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
_CELL_TAGS = frozenset(["td", "th"])
_ROW_TAGS = frozenset(["tr", "table"])
_BULLET = "- "


class _Reader(HTMLParser):
    """Collects the visible text of a page, block by block, with line numbers.

    A row of a table is a block, with a sign between its cells. A block inside a cell goes on in
    the row, unless text of the same cell stands before it. Rows and items of lists stand right
    below each other.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Paragraph] = []
        self._line, self._held = 0, ""
        self._silent = self._verbatim = 0
        self._cells: list[str] = []  # of the open row, but for the one that is open
        self._in_cell = self._breaks = False
        self._bullet = self._kind = self._before = ""  # of blocks: "row", "item" or ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._edge(tag)
        if tag in _CELL_TAGS:
            if not self._cells:
                self.flush()
            self._in_cell, self._breaks = True, False
        self._bullet = _BULLET if tag == "li" else self._bullet
        self._silent += tag in _SILENT_TAGS
        self._verbatim += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._edge(tag)
        if tag in ("li", "ul", "ol"):
            self._bullet = ""
        if tag in _SILENT_TAGS:
            self._silent = max(self._silent - 1, 0)
        if tag == "pre":
            self._verbatim = max(self._verbatim - 1, 0)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if data.strip():
            if self._breaks and self._held.strip():
                self.flush()
            self._breaks = False
            if not self._held.strip() and not any(map(str.strip, self._cells)):
                self._line = self.getpos()[0]
            if self._bullet:
                self._held, self._bullet, self._kind = f"{self._held}{_BULLET}", "", "item"
        self._held += data if self._verbatim else " ".join(re.split(r"\s+", data))

    def flush(self) -> None:
        """End the current block."""
        last = self._in_cell or not self._cells or self._held.strip()
        cells = [*self._cells, self._held] if last else self._cells
        kind = "row" if len(cells) > 1 else self._kind
        text = cells[0] if len(cells) == 1 else CELL_SIGN.join(map(str.strip, cells))
        text = text.replace("\u00b6", "").strip("\n")
        self._held, self._cells, self._kind = "", [], ""
        if any(map(str.strip, cells)) and text.strip():
            tight = "\n" if kind and kind == self._before else ""
            self.blocks.append((self._line, tight + (text if "\n" in text else text.strip())))
            self._before = kind

    def _edge(self, tag: str) -> None:
        """What the beginning or the end of an element does to the block before it."""
        if tag in _CELL_TAGS and self._in_cell:
            self._cells.append(self._held)
            self._held, self._in_cell = "", False
        elif tag in _ROW_TAGS:
            self.flush()
            self._in_cell = False
            self._before = "" if tag == "table" else self._before
        elif tag in _BLOCK_TAGS and self._in_cell:
            self._breaks = True
        elif tag in _BLOCK_TAGS:
            self.flush()


def html_paragraphs(page: str) -> Iterator[Paragraph]:
    """The visible text of an HTML page as (line in the file, block).

    Rows of tables and items of lists, but for the first, begin with a line break (``sections``).
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.flush()
    yield from reader.blocks
