"""Sitemaps."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.sources import _sitemap
from luthier.data.sources._sitemap import Sitemap, parse_sitemap

NS = "http://www.sitemaps.org/schemas/sitemap/0.9"
PAGES = f"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="{NS}"><url><loc> http://x/a?b=1&amp;c=2 </loc><lastmod>2020</lastmod></url>
<url><loc>http://x/b</loc></url><url><loc/></url></urlset>""".encode()
INDEX = f"<sitemapindex xmlns='{NS}'><sitemap><loc>http://x/1.xml</loc></sitemap></sitemapindex>"


def test_pages_and_indexes() -> None:
    pages = Sitemap(("http://x/a?b=1&c=2", "http://x/b"), ())
    assert parse_sitemap(PAGES) == pages
    assert parse_sitemap(gzip.compress(PAGES)) == pages
    assert parse_sitemap(INDEX.encode()) == Sitemap((), ("http://x/1.xml",))
    assert parse_sitemap(b"\xef\xbb\xbfhttp://x/a\r\n\nhttps://x/b\n") == Sitemap(
        ("http://x/a", "https://x/b"), ()
    )


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (PAGES[:-20], "not well-formed"),
        (b"<html></html>", "<html> is neither"),
        (b"some words", "neither XML nor a list"),
        (b"\xff\xfe\x00", "codec"),
        (gzip.compress(PAGES, mtime=0)[:-12], "ends too soon"),
        (b"\x1f\x8bnot gzip", "damaged gzip"),
    ],
)
def test_bad_input(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_sitemap(data)


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 20))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><urlset><url><loc>&e19;</loc></url></urlset>'
    with pytest.raises(ValueError, match="not well-formed"):
        parse_sitemap(bomb.encode())
    monkeypatch.setattr(_sitemap, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="over 50 MB"):
        parse_sitemap(gzip.compress(b" " * 2000))


@given(st.lists(st.integers(0, 10**6), max_size=30))
@settings(max_examples=50, deadline=None)
def test_no_address_is_lost(numbers: list[int]) -> None:
    told = "".join(f"<url><loc>http://x/{n}</loc></url>" for n in numbers)
    found = parse_sitemap(f"<urlset>{told}</urlset>".encode())
    assert found.pages == tuple(f"http://x/{n}" for n in numbers)
