"""Fetched pages on disk: a record for each address, contents named by their digest."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """What came of fetching one address.

    Attributes:
        url: The address asked for.
        final_url: Where redirects led.
        reason: Why there is no content, or "".
        detail: What was seen.
        again: The reason may pass: worth another try in the next run.
        content: SHA-256 (hex) of the body, or "".
        size: Bytes of the body.
        media_type: ``text/html`` and the like.
        charset: As the server told it, or "".
        etag: The server's name of this version, for asking whether it changed.
        last_modified: The same as a date.
        fetched_at: Seconds since 1970 of the last answer.
        limit: Largest size in bytes that was allowed, where there is no content.
    """

    url: str
    final_url: str = ""
    reason: str = ""
    detail: str = ""
    again: bool = False
    content: str = ""
    size: int = 0
    media_type: str = ""
    charset: str = ""
    etag: str = ""
    last_modified: str = ""
    fetched_at: float = 0.0
    limit: int = 0


class Cache:
    """A folder of fetched pages. Several threads and processes may write to it at once.

    Args:
        folder: Made when the first page is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def page(self, url: str) -> Page | None:
        """The record of an address; None if there is none, or if it or its content is damaged."""
        try:
            page = Page(**json.loads(self._record(url).read_bytes()))
            whole = not page.content or self._body(page.content).stat().st_size == page.size
        except (OSError, ValueError, TypeError):
            return None
        return page if whole and page.url == url else None

    def keep(self, page: Page, content: bytes | None = None) -> Page:
        """Write a record, with its content if it is new; returns it with its digest."""
        if content is not None:
            digest = hashlib.sha256(content).hexdigest()
            page = dataclasses.replace(page, content=digest, size=len(content))
            _write(self._body(digest), content)
        told = json.dumps(dataclasses.asdict(page), indent=1, sort_keys=True)
        _write(self._record(page.url), told.encode())
        return page

    def content(self, page: Page) -> bytes | None:
        """The body of a page; None if it is missing or not what its digest says."""
        try:
            data = self._body(page.content).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == page.content else None

    def _record(self, url: str) -> Path:
        return self.folder / "pages" / f"{hashlib.sha256(url.encode()).hexdigest()}.json"

    def _body(self, digest: str) -> Path:
        return self.folder / "content" / digest[:2] / digest


def _write(path: Path, data: bytes) -> None:
    """All or nothing, also when two write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
