"""robots.txt as RFC 9309 reads it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.sources._robots import EVERYTHING, NOTHING, Robots, allows, parse_robots

FILE = """\ufeff# for all
User-Agent: *
Disallow: /private   # not for you
Crawl-delay: 3

user-agent: OtherBot
User-agent: luthier/2.0
Disallow: /
Allow: /docs/
Disallow: /docs/draft*
Disallow: /*.zip$
Crawl-delay: 0.5

Sitemap: https://example.org/sitemap.xml
User-agent: LUTHIER
Disallow: /docs/old
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", False),
        ("/robots.txt", True),
        ("/docs/a", True),
        ("/docs/draft7.html", False),
        ("/docs/old/a", False),
        ("/docs/a.zip", False),
        ("/docs/a.zip?x=1", True),
        ("/docs", False),
    ],
)
def test_the_group_of_our_name(path: str, allowed: bool) -> None:
    robots = parse_robots(FILE)
    assert robots.delay_s == 0.5
    assert allows(robots, f"https://example.org{path}") is allowed


def test_the_group_for_all() -> None:
    robots = parse_robots(FILE, agent="somebody")
    assert robots == Robots(((False, "/private"),), 3.0)
    assert not allows(robots, "http://x/private/a")
    assert allows(robots, "http://x/public")


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/fish", "/fishheads/y.html", True),
        ("/fish", "/Fish", False),
        ("/fish*", "/fish", True),
        ("/fish/", "/fish", False),
        ("/*.php", "/a/b.php?x=1", True),
        ("/*.php$", "/a/b.php5", False),
        ("/*.php$", "/a.php/b.php", True),
        ("/a*b*c$", "/a-b-b-c", True),
        ("/a*b$", "/ab", True),
        ("/ab*b$", "/ab", False),
        ("/fish$", "/fish", True),
        ("/fish$", "/fish?", True),
        ("/*?print=", "/a?print=1", True),
        ("/caf%C3%A9", "/café", True),
        ("/café", "/caf%c3%a9", True),
        ("/%61b", "/ab", True),
        ("/a%2fb", "/a/b", False),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    robots = parse_robots(f"User-agent: *\nDisallow: {pattern}")
    assert allows(robots, f"http://x{path}") is not fits


def test_the_longest_rule_decides_and_allow_wins_ties() -> None:
    robots = parse_robots("User-agent: *\nDisallow: /a\nAllow: /a\nAllow: /\nDisallow: /ab")
    assert allows(robots, "http://x/a")
    assert not allows(robots, "http://x/abc")


def test_odd_files() -> None:
    assert parse_robots("") == EVERYTHING
    assert parse_robots("<html>not found</html>") == EVERYTHING
    assert parse_robots("Disallow: /\nUser-agent: *\nDisallow:\nCrawl-delay: soon") == EVERYTHING
    assert parse_robots("User-agent: *\nCrawl-delay: inf").delay_s == 0
    assert not allows(NOTHING, "http://x/")


@given(st.text("ua*$/%: \n#deslow2f", max_size=80), st.text("/a*$%2f?é", max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_file_is_read(text: str, path: str) -> None:
    robots = parse_robots(f"User-agent: *\nDisallow: {path}\n{text}")
    assert allows(robots, f"http://x/{path}") in (True, False)
    assert allows(robots, "http://x/robots.txt")
