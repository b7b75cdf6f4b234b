"""Source kind ``web``: pages from a list of addresses or a sitemap, kept in a cache.

A run must be repeatable although the web changes. So what is fetched goes into the cache first, and
everything else is made from the cache: ``digest_web`` fills it and digests the contents, and
``read_web`` reads those same contents. A page that is in the cache is not asked for again, unless
``refresh`` is set; then the server is asked whether it has changed.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from luthier.core.ledger import Ledger
from luthier.core.progress import Progress, Quiet, track
from luthier.core.records import Document
from luthier.core.spec import digest_of
from luthier.data.sources._access import (
    NO_TIME,
    Facts,
    Guarded,
    seconds_in,
    with_facts,
)
from luthier.data.sources._article import article_of
from luthier.data.sources._charset import decode_page
from luthier.data.sources._fetch import World
from luthier.data.sources._gather import GatherSpec, gather
from luthier.data.sources._libraries import require
from luthier.data.sources._sections import (
    as_documents,
    heading_at,
    plain_paragraphs,
    sections,
)
from luthier.data.sources._webcache import Cache, Page
from luthier.data.sources.markdown import markdown_headings
from luthier.data.sources.pdf import UnreadableError, pdf_sections

WORLD = World()
_FRAGMENT_WORDS = 6


class WebSource(GatherSpec, Guarded):
    """Pages from the web (HTML, plain text, Markdown, PDF)."""

    kind: Literal["web"] = "web"
    extract: Literal["article", "page"] = "article"
    """From HTML take the article, without menus and footers, or all visible text."""
    section_chars: int = Field(default=2000, ge=200)
    """A document holds whole paragraphs up to about this many characters."""
    min_section_chars: int = Field(default=40, ge=1)
    """Shorter sections are refused."""
    modified: Literal["unknown", "header"] = "unknown"
    """When a page was last changed: not known, or what its server says (``Last-Modified``)."""

    @model_validator(mode="after")
    def _names_pages(self) -> WebSource:
        if not (self.urls or self.urls_file or self.sitemap):
            raise ValueError("name pages: `urls`, `urls_file` or `sitemap`")
        if self.offline and self.refresh:
            raise ValueError("`offline` and `refresh` exclude each other")
        return self


def digest_web(
    source: WebSource, base: Path, progress: Progress | None = None, world: World = WORLD
) -> str:
    """Bring the cache up to date, and digest what it holds of this source.

    Pages that the cache lacks, or that failed for the moment, are fetched now; with ``refresh`` all
    are asked for. The digest is over the addresses and, for each, the digest of its content or the
    reason why there is none: not over dates or headers.

    Args:
        source: Which pages.
        base: Folder that relative paths start from.
        progress: Shows the pages.
        world: Clock and name server.

    Raises:
        DataError: The list of addresses or the sitemap cannot be read.
    """
    found = gather(source, base, progress or Quiet(), world, update=True)
    pages = [[p.url, p.final_url, p.content or p.reason, p.media_type] for p in found.pages]
    if source.modified == "header":
        pages = [[*told, p.last_modified] for told, p in zip(pages, found.pages, strict=True)]
    return digest_of([pages, [list(refused) for refused in found.refused]])


def read_web(
    source: WebSource, base: Path, ledger: Ledger, progress: Progress, world: World = WORLD
) -> Iterator[Document]:
    """Read the cached pages into sections; pages that have no record yet are fetched first.

    Args:
        source: Which pages.
        base: Folder that relative paths start from.
        ledger: Gets a line for each address without a usable page (forbidden by robots.txt, not
            found, too large, private, no text) and for each section that is too short; and one for
            each page whose charset was wrong or that had no article.
        progress: Shows the pages.
        world: Clock and name server.

    Returns:
        Documents. The origin of a page's first section is its address; those of later ones name
        their first words (``#:~:text=``), which browsers jump to, or a PDF's page (``#page=``).

    Raises:
        DataError: The list of addresses or the sitemap cannot be read.
    """
    if source.extract == "article":
        require("trafilatura", "articles of web pages")
    found = gather(source, base, progress, world, update=False)
    for refused in found.refused:
        ledger.refuse(*refused)
    cache = Cache(base / source.cache)
    seen: dict[str, str] = {}
    for page in track(progress, found.pages, "Reading pages", len(found.pages)):
        if page.reason:
            ledger.refuse(page.reason, page.url, page.detail)
        elif page.size > source.max_bytes:
            ledger.refuse("page too large", page.url, f"{page.size} bytes")
        elif page.final_url in seen:
            ledger.refuse("same page as another", page.url, seen[page.final_url])
        else:
            seen[page.final_url] = page.url
            yield from _documents(page, cache.content(page), source, ledger)


def _documents(
    page: Page, content: bytes | None, source: WebSource, ledger: Ledger
) -> Iterator[Document]:
    if content is None:
        ledger.refuse("cached page is damaged", page.url, "set `refresh` once")
        return
    before = len(ledger.entries)
    some = False
    facts = None
    if source.modified == "header":
        facts = Facts(modified_s=seconds_in(page.last_modified) or 0.0)
        if not facts.modified_s:
            ledger.change(NO_TIME, page.url, page.last_modified)
    try:
        found = _sections_of(page, content, source, ledger)
        for document in as_documents(found, page.url, source.min_section_chars, ledger):
            some = True
            yield document if facts is None else with_facts(document, facts)
    except UnreadableError as error:
        ledger.refuse(error.args[0], page.url, error.args[1])
    if not some and all(e.action == "changed" for e in ledger.entries[before:]):
        ledger.refuse("page without text", page.url, page.media_type)


def _sections_of(
    page: Page, content: bytes, source: WebSource, ledger: Ledger
) -> Iterator[tuple[str, str, str]]:
    """The (origin, text, title or "") of each section of a page."""
    url, limit = page.url, source.section_chars
    if page.media_type == "application/pdf":
        yield from pdf_sections(content, lambda number: f"{url}#page={number}", limit, ledger)
        return
    text, mended = decode_page(content, page.charset)
    if mended:
        ledger.change("wrong charset", url, mended)
    if page.media_type in ("text/plain", "text/markdown"):
        markdown = page.media_type == "text/markdown"
        headings = markdown_headings(text) if markdown else []
        for number, (place, section) in enumerate(sections(plain_paragraphs(text), limit)):
            yield _origin(url, number, section), section, heading_at(headings, place)
        return
    article = article_of(text, whole=source.extract == "page")
    if not article.found and article.paragraphs:
        ledger.change("no article found, whole page taken", url)
    opening = {place for place, _ in article.headings}
    found = sections(article.paragraphs, limit, by_line=False, headings=opening)
    for number, (place, section) in enumerate(found):
        yield _origin(url, number, section), section, article.title_at(place)


def _origin(url: str, number: int, section: str) -> str:
    """The address, with the section's first words as a text fragment where it is not the first."""
    if number == 0:
        return url
    line = next(line for line in section.split("\n") if line.strip()).partition("|")[0]
    words = line.strip(" -*#").split()[:_FRAGMENT_WORDS]
    told = urllib.parse.quote(" ".join(words), safe="").replace("-", "%2D")
    return f"{url}#:~:text={told}" if told else url
