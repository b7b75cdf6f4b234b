"""The visible text of HTML pages, block by block, each with the source line it starts on.

Faster parsers (selectolax, lxml) do not tell the line of a piece of text, which origins need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from luthier.data.sources._sections import Paragraph

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
