"""Web pages as documents: repeatable from the cache, every page or section accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pdf_files import pdf_of
from pydantic import ValidationError
from web_site import Clock, Reply, Site, web_site

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.core.spec import identity
from luthier.data.sources._fetch import World
from luthier.data.sources.web import WebSource, digest_web, read_web

WORDS = "A sentence with enough words to be taken for an article by anyone who reads. "


def _page(title: str, *parts: str) -> str:
    body = "".join(f"<h2>{part}</h2><p>{part} says: {WORDS * 4}</p>" for part in parts)
    return (
        f"<html><head><title>{title}</title></head><body><nav><a href='/'>Menu</a></nav>"
        f"<article><h1>{title}</h1>{body}</article><footer>Imprint</footer></body></html>"
    )


def _source(site: Site, *paths: str, **given: Any) -> WebSource:
    known = {"delay_s": 0.0, "retries": 0, "allow_private": True}
    urls = tuple(site.url + path for path in paths)
    return WebSource(**(known | {"urls": urls} | given))


def _world() -> World:
    clock = Clock()
    return World(clock.now, clock.now, clock.sleep, lambda host, port: ["127.0.0.1"])


def _read(source: WebSource, base: Path) -> tuple[list[Document], Ledger]:
    ledger = Ledger()
    return list(read_web(source, base, ledger, Quiet(), _world())), ledger


def test_an_article_in_sections(tmp_path: Path) -> None:
    with web_site(_tea=Reply(_page("Tea", "Green", "Black"))) as site:
        source = _source(site, "/tea", section_chars=400)
        documents, ledger = _read(source, tmp_path)
    url = f"{site.url}/tea"
    assert not ledger.entries
    assert [(d.id, d.origin, d.title, d.group) for d in documents] == [
        (f"{url}#1", url, "Tea", url),
        (f"{url}#2", f"{url}#:~:text=Black", "Tea > Black", url),
    ]
    assert all(d.kind == "text" for d in documents)
    said = "\n".join(d.text for d in documents)
    assert said.count("says:") == 2
    assert "Menu" not in said
    assert "Imprint" not in said


def test_other_kinds_of_pages(tmp_path: Path) -> None:
    plain = {"Content-Type": "text/plain; charset=utf-8"}
    markdown = {"Content-Type": "text/markdown"}
    with web_site(
        _a=Reply(f"\n\n{WORDS * 3}\n\nSecond-part {WORDS * 2}", headers=plain),
        _b=Reply(f"# Guide\n\n{WORDS}", headers=markdown),
        _c=Reply(pdf_of([WORDS, "", WORDS]), headers={"Content-Type": "application/pdf"}),
    ) as site:
        documents, ledger = _read(_source(site, "/a", "/b", "/c", section_chars=250), tmp_path)
    assert [(d.origin.removeprefix(site.url), d.title) for d in documents] == [
        ("/a", "a"),
        ("/a#:~:text=Second%2Dpart%20A%20sentence%20with%20enough%20words", "a"),
        ("/b", "Guide"),
        ("/c#page=1", WORDS.strip()),
        ("/c#page=3", WORDS.strip()),
    ]
    assert [(e.reason, e.origin.removeprefix(site.url)) for e in ledger.entries] == [
        ("page without text, needs OCR", "/c#page=2")
    ]


def test_what_cannot_be_used_stands_in_the_ledger(tmp_path: Path) -> None:
    with web_site(
        robots__txt=Reply("User-agent: *\nDisallow: /forbidden"),
        _forbidden=Reply(_page("No", "No")),
        _empty=Reply("<html><body><img src=x></body></html>"),
        _image=Reply("x", headers={"Content-Type": "image/png"}),
        _huge=Reply("x" * 50_000),
        _pdf=Reply(b"%PDF-1.4 broken"),
        _loop=Reply(status=302, headers={"Location": "/loop"}),
        _moved=Reply(status=302, headers={"Location": "/tea"}),
        _tea=Reply(_page("Tea", "Green")),
        _short=Reply("Short.", headers={"Content-Type": "text/plain"}),
    ) as site:
        paths = ["/tea", "/moved", "/forbidden", "/empty", "/image", "/huge", "/pdf", "/loop"]
        source = _source(site, *paths, "/short", "/gone", max_bytes=20_000)
        documents, ledger = _read(source, tmp_path)
    ledger.check(rows_in=len(paths) + 2, rows_out=len(documents), limit=1.0, stage="web")
    assert len(documents) == 1
    assert {e.origin.removeprefix(site.url): e.reason for e in ledger.entries} == {
        "/moved": "same page as another",
        "/forbidden": "robots.txt forbids it",
        "/empty": "page without text",
        "/image": "wrong kind of content",
        "/huge": "page too large",
        "/pdf": "file is damaged",
        "/loop": "too many redirects",
        "/short": "section too short",
        "/gone": "page not found",
    }


def test_wrong_charsets_and_pages_without_article(tmp_path: Path) -> None:
    latin = _page("Thé", f"déjà vu {WORDS}").encode("latin-1")
    wrong = {"Content-Type": "text/html; charset=utf-8"}
    menu = "<body><div>One line that is long enough to be a section of its own.</div></body>"
    with web_site(_a=Reply(latin, headers=wrong), _b=Reply(menu)) as site:
        documents, ledger = _read(_source(site, "/a", "/b"), tmp_path)
    assert "déjà vu" in documents[0].text
    assert documents[0].title.startswith("Thé")
    changed = {(e.reason, e.origin.removeprefix(site.url)) for e in ledger.entries}
    assert ("wrong charset", "/a") in changed
    assert ledger.refused == 0
    assert len(documents) == 2


def test_all_of_a_page_if_asked_for(tmp_path: Path) -> None:
    with web_site(_a=Reply(_page("Tea", "Green"))) as site:
        documents, ledger = _read(_source(site, "/a", extract="page"), tmp_path)
    assert documents[0].text.startswith("Tea\n\nGreen\n\nGreen says:")
    assert not ledger.entries


def test_a_run_is_repeatable_from_the_cache(tmp_path: Path) -> None:
    first_page, second_page = Reply(_page("Tea", "Green")), Reply(_page("Tea", "Black"))
    with web_site(_tea=[first_page, second_page], _gone=Reply(status=404)) as site:
        source = _source(site, "/tea", "/gone")
        first = digest_web(source, tmp_path, world=_world())
        asked = len(site.asked)
        documents, _ = _read(source, tmp_path)
        assert digest_web(source, tmp_path, world=_world()) == first
        assert len(site.asked) == asked, "nothing is fetched twice"
        fresh = source.model_copy(update={"refresh": True})
        second = digest_web(fresh, tmp_path, world=_world())
        assert second != first
        changed, _ = _read(fresh, tmp_path)
        assert changed != documents
        assert digest_web(fresh, tmp_path, world=_world()) == second, "the same contents again"
    offline = source.model_copy(update={"offline": True})
    assert digest_web(offline, tmp_path, world=_world()) == second
    assert _read(offline, tmp_path)[0] == changed
    assert identity(offline) == identity(source) == identity(fresh)


def test_what_decides_the_digest(tmp_path: Path) -> None:
    with web_site(_a=Reply("a"), _b=Reply("a"), _c=Reply("c"), _bad=Reply(status=404)) as site:
        sources = [("/a",), ("/b",), ("/a", "/b"), ("/b", "/a"), ("/a", "/bad"), ("/c",)]
        digests = [digest_web(_source(site, *s), tmp_path, world=_world()) for s in sources]
        other = WebSource(urls=(f"{site.url}/a", "no address"), allow_private=True, delay_s=0.0)
        digests.append(digest_web(other, tmp_path, world=_world()))
        assert len(set(digests)) == len(digests)
        elsewhere = digest_web(_source(site, "/a"), tmp_path / "elsewhere", world=_world())
        assert elsewhere == digests[0], "contents decide, not when and where they were fetched"


def test_a_damaged_cache_is_told(tmp_path: Path) -> None:
    with web_site(_a=Reply(_page("Tea", "Green"))) as site:
        source = _source(site, "/a")
        digest_web(source, tmp_path, world=_world())
        body = next((tmp_path / "web-cache" / "content").rglob("*/*"))
        body.write_bytes(b"y" * body.stat().st_size)
        documents, ledger = _read(source, tmp_path)
    assert not documents
    assert ledger.reasons() == {"cached page is damaged": 1}


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "name pages"),
        ({"urls": ("http://x/",), "offline": True, "refresh": True}, "exclude each other"),
        ({"urls": ("http://x/",), "delay_s": -1.0}, "greater than or equal"),
        ({"urls": ("http://x/",), "contact": "me\nyou"}, "match pattern"),
        ({"urls": ("http://x/",), "cache": ""}, "at least 1 character"),
        ({"urls": ("http://x/",), "robots": False}, "not permitted"),
    ],
)
def test_wrong_settings(given: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        WebSource(**given)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["<p>", "<h2>", "<div>", "<li>", ""]),
            st.text("abc ö|\n", max_size=60),
        ),
        max_size=8,
    ),
    st.integers(1, 60),
)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_page_and_no_word_is_lost(
    tmp_path: Path, blocks: list[tuple[str, str]], shortest: int
) -> None:
    page = "".join(f"{tag}{text}" for tag, text in blocks)
    plain = {"Content-Type": "text/plain"}
    with web_site(_a=Reply(page, headers=plain), _b=Reply(page)) as site:
        source = _source(site, "/a", "/b", refresh=True, min_section_chars=shortest, extract="page")
        digest_web(source, tmp_path, world=_world())
        documents, ledger = _read(source, tmp_path)
    for path, expected in (("/a", page), ("/b", "".join(text for _, text in blocks))):
        mine = [d.text for d in documents if d.group.endswith(path)]
        lost = [e for e in ledger.entries if e.origin.partition("#")[0].endswith(path)]
        assert mine or any(e.action == "refused" for e in lost)
        told = "".join([*mine, *(e.detail for e in lost if e.reason == "section too short")])
        told = told.replace("-", "")  # bullets
        assert sorted("".join(told.split())) == sorted("".join(expected.split()))


def test_a_page_has_the_time_its_server_tells_if_asked(tmp_path: Path) -> None:
    told = {"Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"}
    with web_site(_a=Reply(_page("A", "One"), headers=told), _b=Reply(_page("B", "Two"))) as site:
        plain = _source(site, "/a", "/b")
        documents, ledger = _read(plain, tmp_path)
        assert {d.modified_s for d in documents} == {0.0}
        assert not ledger.entries
        dated = _source(site, "/a", "/b", modified="header")
        documents, ledger = _read(dated, tmp_path)
        assert [d.modified_s for d in documents] == [1_700_000_000.0, 0.0]
        assert ledger.reasons("changed") == {"no readable time of change": 1}
        digests = {digest_web(one, tmp_path, Quiet(), _world()) for one in (plain, dated)}
    assert len(digests) == 2
