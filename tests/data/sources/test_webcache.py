"""The cache of fetched pages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from luthier.data.sources._webcache import Cache, Page

URL = "http://x/a"


def test_pages_come_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert cache.page(URL) is None
    kept = cache.keep(Page(URL, final_url=URL, etag='"1"', fetched_at=7.5), b"body")
    assert cache.page(URL) == kept
    assert cache.content(kept) == b"body"
    assert kept.size == 4
    failed = cache.keep(Page(URL, reason="page not found", again=True))
    assert Cache(tmp_path / "cache").page(URL) == failed


def test_equal_contents_are_kept_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: cache.keep(Page(f"{URL}{n}"), b"same"), range(40)))
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len([p for p in files if "content" in p.parts]) == 1
    assert len(files) == 41


def test_damage_is_seen(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    page = cache.keep(Page(URL), b"body")
    body = next((tmp_path / "content").rglob("*/*"))
    body.write_bytes(b"BODY")
    assert cache.page(URL) == page, "the size is right"
    assert cache.content(page) is None
    body.write_bytes(b"bo")
    assert cache.page(URL) is None
    body.unlink()
    assert cache.page(URL) is None
    assert cache.content(page) is None
    cache.keep(page, b"body")
    record = next((tmp_path / "pages").iterdir())
    for broken in (b"", b"{}", b"[1]", b'{"url": "http://x/b"}', b'{"other": 1}', b"\xff"):
        record.write_bytes(broken)
        assert cache.page(URL) is None
