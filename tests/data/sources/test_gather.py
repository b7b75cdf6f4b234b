"""Which pages a web source names, and what is fetched of them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from web_site import Clock, Reply, Site, web_site

from luthier.core.errors import DataError
from luthier.core.progress import Quiet
from luthier.data.sources._fetch import World
from luthier.data.sources._gather import Gathered, GatherSpec, gather


def _world(clock: Clock) -> World:
    return World(clock.now, clock.now, clock.sleep, lambda host, port: ["127.0.0.1"])


def _gather(base: Path, site: Site, update: bool = True, **given: Any) -> Gathered:
    known = {"delay_s": 0.0, "retries": 0, "allow_private": True}
    source = GatherSpec(**(known | given))
    return gather(source, base, Quiet(), _world(Clock()), update=update)


def _index(*urls: str) -> str:
    told = "".join(f"<sitemap><loc>{u}</loc></sitemap>" for u in urls)
    return f"<sitemapindex>{told}</sitemapindex>"


def _pages(*urls: str) -> str:
    return f"<urlset>{''.join(f'<url><loc>{u}</loc></url>' for u in urls)}</urlset>"


def test_lists_files_and_what_is_no_address(tmp_path: Path) -> None:
    with web_site(_a=Reply("a"), _b=Reply("b")) as site:
        written = f"# ours\n\n {site.url}/b \n{site.url}/a#again\nftp://me:secret@x/\n"
        (tmp_path / "urls.txt").write_text(written)
        found = _gather(tmp_path, site, urls=(f"{site.url}/a",), urls_file="urls.txt")
    assert [p.url.removeprefix(site.url) for p in found.pages] == ["/a", "/b"]
    assert found.refused == [("not a web address", "x/", "")]


def test_sitemaps_indexes_and_patterns(tmp_path: Path) -> None:
    with web_site(_a=Reply("a"), _b=Reply("b"), broken__xml=Reply("<urlset>")) as site:
        listed = [f"{site.url}/{name}" for name in ("a", "b", "a", "private/c")]
        site.pages["/two.xml.gz"] = Reply(gzip.compress(_pages(*listed).encode()))
        inner = [f"{site.url}/{n}" for n in ("broken.xml", "two.xml.gz", "sitemap.xml", "gone.xml")]
        site.pages["/sitemap.xml"] = Reply(_index(*inner), headers={"Content-Type": "text/xml"})
        found = _gather(
            tmp_path,
            site,
            sitemap=f"{site.url}/sitemap.xml",
            include=("http://127.0.0.1:*",),
            exclude=("*/private/*",),
        )
    assert [p.url.removeprefix(site.url) for p in found.pages] == ["/a", "/b"]
    assert [(r.reason, r.origin.removeprefix(site.url)) for r in found.refused] == [
        ("sitemap cannot be read", "/broken.xml"),
        ("sitemap cannot be read", "/gone.xml"),
    ]
    assert "/private/c" not in site.asked


def test_only_so_many_pages(tmp_path: Path) -> None:
    told = Quiet()
    with web_site(_a=Reply("a"), _b=Reply("b")) as site:
        source = GatherSpec(
            urls=(f"{site.url}/a", f"{site.url}/b"), max_pages=1, allow_private=True
        )
        found = gather(source, tmp_path, told, _world(Clock()), update=True)
    assert [p.content != "" for p in found.pages] == [True]
    assert told.lines == ["web: only the first 1 pages are taken (max_pages)"]


def test_what_the_cache_holds_is_not_asked_for(tmp_path: Path) -> None:
    with web_site(_a=Reply("a"), _b=Reply(status=404), _c=[Reply(status=500), Reply("c")]) as site:
        urls = tuple(f"{site.url}/{name}" for name in "abc")
        first = _gather(tmp_path, site, urls=urls)
        assert [p.reason for p in first.pages] == ["", "page not found", "server error"]
        asked = len(site.asked)
        same = _gather(tmp_path, site, urls=urls, update=False)
        assert same == first
        assert _gather(tmp_path, site, urls=urls, offline=True) == first
        assert len(site.asked) == asked
        again = _gather(tmp_path, site, urls=urls)
        assert [p.reason for p in again.pages] == ["", "page not found", ""]
        assert site.asked[asked:] == ["/robots.txt", "/c"], "only what failed for the moment"
    gone = _gather(tmp_path, site, urls=(*urls, f"{site.url}/d"), offline=True)
    assert gone.pages[:3] == again.pages
    assert gone.pages[3].reason == "not in the cache"


def test_refresh_asks_whether_pages_changed(tmp_path: Path) -> None:
    def page(headers: dict[str, str]) -> Reply:
        same = headers.get("if-none-match") == '"1"'
        return Reply(status=304) if same else Reply("a", headers={"ETag": '"1"'})

    with web_site(_a=page, _b=[Reply("old"), Reply("new"), Reply(status=500)]) as site:
        urls = (f"{site.url}/a", f"{site.url}/b")
        first = _gather(tmp_path, site, urls=urls)
        second = _gather(tmp_path, site, urls=urls, refresh=True)
        assert second.pages[0].content == first.pages[0].content
        assert second.pages[1].content != first.pages[1].content
        third = _gather(tmp_path, site, urls=urls, refresh=True)
        assert [p.content for p in third.pages] == [p.content for p in second.pages], (
            "a page that was had is kept when the server fails"
        )


def test_a_larger_limit_fetches_what_was_too_large(tmp_path: Path) -> None:
    with web_site(_a=Reply("x" * 2000)) as site:
        urls = (f"{site.url}/a",)
        assert (
            _gather(tmp_path, site, urls=urls, max_bytes=1000).pages[0].reason == "page too large"
        )
        asked = len(site.asked)
        _gather(tmp_path, site, urls=urls, max_bytes=1000)
        assert len(site.asked) == asked
        assert _gather(tmp_path, site, urls=urls, max_bytes=5000).pages[0].size == 2000


def test_kinds_that_the_server_does_not_tell(tmp_path: Path) -> None:
    untold = {"Content-Type": ""}
    with web_site(
        _a=Reply(b"%PDF-1.4", headers=untold),
        _b=Reply(" <p>", headers=untold),
        _c=Reply("x", headers=untold),
        _d=Reply(b"%PDF-1.4"),
    ) as site:
        found = _gather(tmp_path, site, urls=tuple(f"{site.url}/{n}" for n in "abcd"))
    kinds = [p.media_type for p in found.pages]
    assert kinds == ["application/pdf", "text/html", "text/plain", "application/pdf"]


@pytest.mark.parametrize("many_hosts", [False, True])
def test_each_host_gets_one_request_at_a_time(tmp_path: Path, many_hosts: bool) -> None:
    with web_site(**{f"_{n}": Reply(str(n)) for n in range(12)}) as site:
        hosts = [f"h{n % 3}.example" if many_hosts else "h.example" for n in range(12)]
        urls = [site.url.replace("127.0.0.1", h) + f"/{n}" for n, h in enumerate(hosts)]
        found = _gather(tmp_path, site, urls=tuple(urls))
    assert [p.url for p in found.pages] == urls
    assert all(p.content for p in found.pages)
    own = [(h["host"], p) for h, p in zip(site.headers, site.asked, strict=True)]
    for host in {h.partition(":")[0] for h, _ in own}:
        mine = [int(p[1:]) for h, p in own if h.startswith(f"{host}:") and p != "/robots.txt"]
        assert mine == sorted(mine)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"urls_file": "none.txt"}, "cannot read this list"),
        ({"urls_file": "latin.txt"}, "cannot read this list"),
        ({"sitemap": "/gone.xml"}, "cannot read this sitemap: page not found"),
        ({"sitemap": "/page"}, "cannot read this sitemap: <p> is neither"),
        ({"sitemap": "/bad.xml.gz"}, "cannot read this sitemap: damaged gzip"),
        ({"sitemap": "/gone.xml", "offline": True}, "cannot read this sitemap: not in the cache"),
    ],
)
def test_bad_input(tmp_path: Path, given: dict[str, Any], what: str) -> None:
    (tmp_path / "latin.txt").write_bytes(b"http://x/\xe9")
    with web_site(_page=Reply("<p>x</p>")) as site:
        site.pages["/bad.xml.gz"] = Reply(b"\x1f\x8bnot gzip")
        told = {k: site.url + v if k == "sitemap" else v for k, v in given.items()}
        with pytest.raises(DataError, match=what):
            _gather(tmp_path, site, **told)


def test_a_password_is_not_told(tmp_path: Path) -> None:
    with web_site() as site, pytest.raises(DataError) as caught:
        _gather(tmp_path, site, sitemap="http://me:secret@x.example/sitemap.xml")
    assert "secret" not in str(caught.value)
