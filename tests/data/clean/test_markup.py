"""Markup goes, what it marks stays, and what only looks like markup stays too."""

from __future__ import annotations

import pytest

from luthier.data.clean.markup import MarkupSpec, strip_markup

HTML, MARKDOWN = MarkupSpec(), MarkupSpec(html=False, markdown=True)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<p>One</p><p>Two &amp; three</p>", "One\n\nTwo & three"),
        ("a <b>bold</b> word<br/>next", "a bold word\nnext"),
        ('<a href="https://x.org/?a=1>2" target=_blank>link</a>', "link"),
        ("<script>if (a<b) {alert(1)}</script>text<style>p{}</style>", "text"),
        ("before<!-- note --> after", "before after"),
        ("<!DOCTYPE html><html><body hidden>Hi</body></html>", "Hi"),
        ("<INPUT disabled>Name", "Name"),
    ],
)
def test_html_goes(text: str, clean: str) -> None:
    assert strip_markup(text, HTML) == clean


@pytest.mark.parametrize(
    "text",
    [
        "if x < y and y > z: pass",
        "vector<int> v; List<String> l",
        "a <- b; c <b and d> e",
        "I <3 you",
        "<!-- never closed",
        "#include <stdio.h>",
        "no marks at all\n\n\n\nhere",
    ],
)
def test_what_is_no_html_stays(text: str) -> None:
    assert strip_markup(text, HTML) == text


def test_markdown_goes() -> None:
    text = """# Title #

Some **bold**, *soft* and _soft_ ~~old~~ `code` with [a link](https://x.org "t") ![pic](p.png).
> quoted
***
Under
=====

```python
x = 2 * 3 * 4  # stays
```
- item"""
    assert strip_markup(text, MARKDOWN) == (
        "Title\n\nSome bold, soft and soft old code with a link pic.\nquoted\nUnder\n\n"
        "x = 2 * 3 * 4  # stays\n- item"
    )


@pytest.mark.parametrize("text", ["2 * 3 * 4", "snake_case_name", "#hashtag", "a - b", "x[0](y"])
def test_what_is_no_markdown_stays(text: str) -> None:
    assert strip_markup(text, MARKDOWN) == text


@pytest.mark.parametrize("piece", ["<!--", "<script", '<a b="', "<a b", "<", "**", "[", "`", "*a"])
def test_broken_markup_takes_no_time(piece: str) -> None:
    both = MarkupSpec(markdown=True)
    strip_markup(piece * 20_000, both)
