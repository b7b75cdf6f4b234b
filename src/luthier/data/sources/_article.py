"""The article of a web page: its own words, without menus, adverts and footers."""

from __future__ import annotations

import html
import logging
import re
from typing import Any, NamedTuple

from luthier.data.sources._sections import (
    CELL_SIGN,
    PATH_SIGN,
    Heading,
    Paragraph,
    heading_at,
    heading_paths,
)
from luthier.data.sources.html import html_paragraphs

_TITLE = re.compile(r"<title[^>]*>(.*?)</title\s*>", re.IGNORECASE | re.DOTALL)
_TITLE_WITHIN = 100_000
_TITLE_CHARS = 200


class Article(NamedTuple):
    """The text of a page.

    Attributes:
        title: Of the page, or "".
        paragraphs: (number from 1, text).
        headings: Paths of the headings among them.
        found: False when no article was found and this is all of the page's visible text.
    """

    title: str
    paragraphs: list[Paragraph]
    headings: list[Heading]
    found: bool

    def title_at(self, place: int) -> str:
        """What the section that starts at a paragraph is called: page and headings."""
        path = heading_at(self.headings, place)
        if not path or not self.title:
            return path or self.title
        first = path.split(PATH_SIGN)[0]
        return path if first.casefold() in self.title.casefold() else f"{self.title} > {path}"


def article_of(page: str, *, whole: bool = False) -> Article:
    """Extract the article of an HTML page with trafilatura (Barbaresi 2021, ACL demonstrations).

    Args:
        page: HTML.
        whole: Don't look for an article; take all visible text.
    """
    named = _TITLE.search(page[:_TITLE_WITHIN])
    title = " ".join(html.unescape(named[1]).split())[:_TITLE_CHARS] if named else ""
    body = None if whole else _extracted(page)
    if body is not None:
        paragraphs, headings = _walked(body)
        if paragraphs:
            return Article(title, paragraphs, headings, found=True)
    blocks = [text for _, text in html_paragraphs(page)]
    return Article(title, list(enumerate(blocks, 1)), [], found=whole)


def _extracted(page: str) -> Any:
    """The root of trafilatura's tree, or None."""
    from trafilatura import bare_extraction

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found: Any = bare_extraction(page, include_comments=False, include_tables=True)
    return None if found is None else found.body


def _walked(body: Any) -> tuple[list[Paragraph], list[Heading]]:
    paragraphs: list[Paragraph] = []
    headings: list[tuple[int, int, str]] = []
    for block in body:
        text = _block_text(block)
        if not text:
            continue
        paragraphs.append((len(paragraphs) + 1, text))
        level = str(block.get("rend", ""))
        if block.tag == "head" and re.fullmatch(r"h[1-6]", level):
            headings.append((len(paragraphs), int(level[1]), text))
    return paragraphs, heading_paths(headings)


def _block_text(block: Any) -> str:
    tail = " ".join((block.tail or "").split())
    match block.tag:
        case "list":
            text = "\n".join(f"- {t}" for item in block if (t := _flat(item)))
        case "table":
            rows = (CELL_SIGN.join(_flat(cell) for cell in row) for row in block)
            text = "\n".join(row for row in rows if row.strip(" |"))
        case "quote" | "code" | "formatting":
            lines = "".join(block.itertext()).split("\n")
            text = "\n".join(line.rstrip() for line in lines).strip("\n")
        case _:
            text = _flat(block)
    return f"{text}\n{tail}".strip("\n") if tail else text


def _flat(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).split()) if len(element) else _own(element)


def _own(element: Any) -> str:
    return " ".join((element.text or "").split())
