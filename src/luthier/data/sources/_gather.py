"""Which pages a web source names, and getting those that the cache lacks."""

from __future__ import annotations

import dataclasses
import fnmatch
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import Field

from luthier.core.errors import DataError
from luthier.core.progress import Progress, Task
from luthier.core.spec import runtime
from luthier.data.sources._address import FetchError, tidy_url
from luthier.data.sources._fetch import Fetcher, FetchSpec, World
from luthier.data.sources._libraries import require
from luthier.data.sources._sitemap import parse_sitemap
from luthier.data.sources._webcache import Cache, Page

PAGE_TYPES = (
    "text/html",
    "application/xhtml+xml",
    "text/plain",
    "text/markdown",
    "application/pdf",
)
MAX_SITEMAPS = 1000
MAX_HOSTS = 8
"""Hosts asked at the same time; each gets one request after the other."""


class GatherSpec(FetchSpec):
    """Which pages, and where they are kept."""

    urls: tuple[str, ...] = ()
    """Addresses of pages."""
    urls_file: str = ""
    """A file with an address on each line (``#`` starts a comment); relative to the project."""
    sitemap: str = ""
    """Address of a sitemap, or of an index of sitemaps; also packed with gzip."""
    include: tuple[str, ...] = ()
    """Only addresses that fit one of these patterns (``https://example.org/docs/*``)."""
    exclude: tuple[str, ...] = ()
    """No addresses that fit one of these patterns."""
    max_pages: int = Field(default=1000, ge=1)
    """Only the first so many are taken; that there are more is said."""
    cache: str = runtime("web-cache", min_length=1)
    """Folder of the fetched pages, relative to the project file."""
    offline: bool = runtime(False)
    """Fetch nothing: only what the cache holds is read."""
    refresh: bool = runtime(False)
    """Ask for every page whether it has changed, also for those in the cache."""


class Gathered(NamedTuple):
    """What a source's addresses came to: its pages in order, and those refused before fetching."""

    pages: list[Page]
    refused: list[FetchRefusal]


class FetchRefusal(NamedTuple):
    """An address that cannot be used: for the ledger."""

    reason: str
    origin: str
    detail: str


def gather(
    source: GatherSpec, base: Path, progress: Progress, world: World, *, update: bool
) -> Gathered:
    """The records of all pages of a source; what the cache lacks is fetched and kept.

    Args:
        source: Which pages.
        base: Folder that relative paths start from.
        progress: Shows the pages, and is told of pages beyond ``max_pages``.
        world: Clock and name server.
        update: Also try again what failed for the moment, and, with ``refresh``, ask whether
            pages have changed. Without it a page that has a record stays as it is.

    Raises:
        DataError: The list of addresses or the sitemap cannot be read.
        ResourceError: The library for it is not installed.
    """
    require("httpx2", "web pages")
    work = _Work(source, Cache(base / source.cache), update)
    with Fetcher(source, world) as fetcher:
        refused: list[FetchRefusal] = []
        found = _within_limits(source, _named(source, base, work, fetcher, refused), progress)
        with progress.task("Fetching pages", len(found)) as task:
            pages = _all_pages(work, fetcher, found, task)
    return Gathered(pages, refused)


class _Work(NamedTuple):
    source: GatherSpec
    cache: Cache
    update: bool

    def page(self, fetcher: Fetcher, url: str, types: tuple[str, ...]) -> Page:
        """The record of an address, from the cache or fetched now."""
        known = self.cache.page(url)
        wanted = known is None or (self.update and self._asks_again(known))
        if not wanted or self.source.offline:
            return known or Page(url, reason="not in the cache", again=True)
        return self._fetched(fetcher, url, types, known)

    def _asks_again(self, known: Page) -> bool:
        grown = known.reason == "page too large" and self.source.max_bytes > known.limit
        return self.source.refresh or known.again or grown

    def _fetched(
        self, fetcher: Fetcher, url: str, types: tuple[str, ...], known: Page | None
    ) -> Page:
        old = known if known and known.content else Page(url)
        try:
            answer = fetcher.fetch(url, types, old.etag, old.last_modified)
            if answer.content is None and not old.content:
                raise FetchError("damaged answer", "not changed, but never sent")
        except FetchError as error:
            if old.content and error.again:
                return old  # what was had stays; the next run asks again
            told = Page(url, reason=error.reason, detail=error.detail, again=error.again)
            return self.cache.keep(dataclasses.replace(told, limit=self.source.max_bytes))
        now = fetcher.world.date()
        if answer.content is None:
            return self.cache.keep(dataclasses.replace(old, fetched_at=now))
        told = Page(
            url,
            final_url=answer.url,
            media_type=_kind(answer.media_type, answer.content),
            charset=answer.charset,
            etag=answer.etag,
            last_modified=answer.last_modified,
            fetched_at=now,
        )
        return self.cache.keep(told, answer.content)


def _kind(told: str, content: bytes) -> str:
    """The media type as the server told it; guessed where it names none or a PDF wrongly."""
    if content.startswith(b"%PDF-"):
        return "application/pdf"
    if told:
        return told
    return "text/html" if content.lstrip()[:1] == b"<" else "text/plain"


def _named(
    source: GatherSpec, base: Path, work: _Work, fetcher: Fetcher, refused: list[FetchRefusal]
) -> Iterator[str]:
    """All addresses of the source, each once, in order; patterns applied."""
    seen: set[str] = set()
    for written in _written(source, base, work, fetcher, refused):
        try:
            url = tidy_url(written)
        except FetchError as error:
            refused.append(FetchRefusal(error.reason, _safe(written), error.detail))
            continue
        if url not in seen and _fits(source, url):
            seen.add(url)
            yield url


def _written(
    source: GatherSpec, base: Path, work: _Work, fetcher: Fetcher, refused: list[FetchRefusal]
) -> Iterator[str]:
    yield from source.urls
    if source.urls_file:
        try:
            text = (base / source.urls_file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"cannot read this list of addresses: {error}",
                where=source.urls_file,
                mend="Check `urls_file`: a UTF-8 file with an address on each line.",
            ) from error
        for line in text.splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()
    if source.sitemap:
        yield from _from_sitemaps(source.sitemap, work, fetcher, refused)


def _from_sitemaps(
    first: str, work: _Work, fetcher: Fetcher, refused: list[FetchRefusal]
) -> Iterator[str]:
    waiting, seen = deque([first]), {first}
    while waiting:
        written = waiting.popleft()
        try:
            page = work.page(fetcher, tidy_url(written), ())
            if page.reason:
                raise FetchError(page.reason, page.detail)
            found = parse_sitemap(work.cache.content(page) or b"")
        except (FetchError, ValueError) as error:
            detail = f"{error.reason} {error.detail}" if isinstance(error, FetchError) else error
            if written == first:
                raise DataError(
                    f"cannot read this sitemap: {detail}",
                    where=_safe(written),
                    mend="Check `sitemap`, or list the pages under `urls`.",
                ) from error
            refused.append(FetchRefusal("sitemap cannot be read", _safe(written), str(detail)))
            continue
        yield from found.pages
        for inner in found.sitemaps:
            if inner not in seen and len(seen) < MAX_SITEMAPS:
                seen.add(inner)
                waiting.append(inner)
            elif inner not in seen:
                refused.append(FetchRefusal("too many sitemaps", _safe(inner), ""))


def _safe(written: str) -> str:
    """An address as it may be told: a password before ``@`` must reach no ledger and no screen."""
    return written.rpartition("@")[2]


def _within_limits(source: GatherSpec, named: Iterable[str], progress: Progress) -> list[str]:
    found: list[str] = []
    for url in named:
        if len(found) == source.max_pages:
            progress.say(f"web: only the first {len(found)} pages are taken (max_pages)")
            break
        found.append(url)
    return found


def _fits(source: GatherSpec, url: str) -> bool:
    taken = not source.include or any(fnmatch.fnmatchcase(url, p) for p in source.include)
    return taken and not any(fnmatch.fnmatchcase(url, p) for p in source.exclude)


def _all_pages(work: _Work, fetcher: Fetcher, urls: list[str], task: Task) -> list[Page]:
    """Hosts side by side, the pages of each one after the other."""
    hosts: dict[str, list[str]] = {}
    for url in urls:
        hosts.setdefault(urlsplit(url).netloc, []).append(url)
    found: dict[str, Page] = {}
    stopped = threading.Event()

    def visit(mine: list[str]) -> None:
        for url in mine:
            if stopped.is_set():
                return
            found[url] = work.page(fetcher, url, PAGE_TYPES)
            task.advance()

    pool = ThreadPoolExecutor(max_workers=max(min(len(hosts), MAX_HOSTS), 1))
    try:
        for visited in [pool.submit(visit, mine) for mine in hosts.values()]:
            visited.result()
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)
    return [found[url] for url in urls]
