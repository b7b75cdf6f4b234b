"""Headings of Markdown files (CommonMark 4.2 and 4.3), for the titles of their sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from luthier.data.sources._sections import Heading, heading_paths

_FRONT_CHARS = 20_000
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_NOT_A_TITLE = re.compile(r"\s*(?:[-*+>|#]|\d+[.)]\s|$)|\s{4}")


def markdown_headings(text: str) -> list[Heading]:
    """The headings of a Markdown text, each with its line and the path that leads to it.

    Front matter (between two lines ``---`` at the very top) and fenced code hold none.
    """
    return heading_paths(_headings(text.replace("\r\n", "\n").split("\n")))


def front_matter(text: str) -> dict[str, Any] | None:
    """What stands between two lines ``---`` at the very top, as YAML; None if it is none."""
    lines = text.replace("\r\n", "\n").split("\n")
    body = "\n".join(lines[1 : max(_front_matter(lines) - 1, 1)])
    try:
        told = YAML(typ="safe", pure=True).load(body) if len(body) <= _FRONT_CHARS else None
    except (YAMLError, ValueError):
        return None
    told = {} if not body.strip() else told
    return {str(key): value for key, value in told.items()} if isinstance(told, dict) else None


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    fence = ""
    before = ""
    for number, line in enumerate(lines[_front_matter(lines) :], 1 + _front_matter(lines)):
        mark = _FENCE.match(line)
        if fence:
            closes = mark and mark[1].startswith(fence) and not line.strip(" \t" + fence[0])
            fence, before = ("" if closes else fence), ""
            continue
        if mark:
            fence, before = mark[1], ""
            continue
        if (atx := _ATX.match(line)) and (title := _bare(atx[2] or "")):
            yield number, len(atx[1]), title
        elif before and (under := _SETEXT.match(line)):
            yield number - 1, 1 if under[1][0] == "=" else 2, _bare(before)
        before = "" if _NOT_A_TITLE.match(line) or _SETEXT.match(line) else line


def _front_matter(lines: list[str]) -> int:
    """How many lines at the top are front matter."""
    if lines and lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], 2):
            if line.rstrip() in ("---", "..."):
                return number
    return 0


def _bare(title: str) -> str:
    """A heading without its marks: links keep their words, code and emphasis their text."""
    title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
    title = re.sub(r"[ \t]*\{#[^}]*\}$", "", title)
    return re.sub(r"(`+|\*{1,3}|_{2,3})(.+?)\1", r"\2", title).strip()
