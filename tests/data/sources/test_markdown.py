"""Headings of Markdown files."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from luthier.data.sources.markdown import markdown_headings

TEXT = """---
title: Not this
---
# Guide to `luthier` #

Words

Install
-------
```sh
# not a heading
```
### On [Debian](http://x) {#deb}
- item
---
| a | b |
--- | ---
~~~
# nor this
```
~~~
#hashtag
Next
====
"""


def test_headings_have_lines_and_paths() -> None:
    assert markdown_headings(TEXT) == [
        (4, "Guide to luthier"),
        (8, "Guide to luthier > Install"),
        (13, "Guide to luthier > Install > On Debian"),
        (23, "Next"),
    ]


def test_windows_line_ends() -> None:
    assert markdown_headings("# A\r\n\r\nB\r\n---\r\n") == [(1, "A"), (3, "A > B")]


@given(st.text("#=-~ ab\n", max_size=120))
@settings(max_examples=150, deadline=None)
def test_headings_stand_on_their_lines(text: str) -> None:
    lines = text.split("\n")
    for line, path in markdown_headings(text):
        assert path.split(" > ")[-1] in lines[line - 1]
