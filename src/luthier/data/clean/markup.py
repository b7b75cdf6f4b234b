"""Markup: HTML tags and Markdown marks are taken out, what they mark stays."""

from __future__ import annotations

import html
import re

from luthier.core.spec import Spec

_BLOCKS = (
    "address article aside blockquote body br caption dd details div dl dt figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 head header hr html li main nav ol option p pre section select "
    "summary table tbody td tfoot th thead title tr ul"
)
_INLINE = (
    "a abbr acronym area audio b base bdi bdo big button canvas center cite code col colgroup data "
    "datalist del dfn em embed fieldset font i iframe img input ins kbd label legend link map mark "
    "meta meter noscript object output param picture progress q s samp script small source span "
    "strike strong style sub sup svg template textarea time track tt u var video wbr"
)
_FLAGS = "async|autofocus|autoplay|checked|controls|defer|disabled|hidden|loop|multiple|muted|open"
_ATTRIBUTES = (
    r"""(?:\s++(?:[\w:.-]++\s*+=\s*+(?:"[^"]{0,4000}+"|'[^']{0,4000}+'|[^\s"'<>=`]++)"""
    rf"|(?:{_FLAGS}|readonly|required|selected)(?=[\s/>])))*+\s*+/?>"
)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCKS.replace(' ', '|')}){_ATTRIBUTES}", re.IGNORECASE)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE.replace(' ', '|')}){_ATTRIBUTES}", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!doctype[^<>]{0,200}>", re.IGNORECASE)
_SILENT = tuple(
    (re.compile(start, re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for start, end in (
        ("<!--", "-->"),
        (r"<script\b", r"</script\s*+>"),
        (r"<style\b", r"</style\s*+>"),
        (r"<template\b", r"</template\s*+>"),
    )
)
_BLANKS = re.compile(r"\n[ \t]*+(?:\n[ \t]*+)+")

_FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,})[^`\n]*$")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*$")
_QUOTE = re.compile(r"^ {0,3}>[ \t]?")
_RULE = re.compile(r"^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-{2,})[ \t]*$")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,1000}(?:[ \t]+\"[^\"\n]{0,300}\")?\)")
_STRONG = re.compile(r"(\*\*|__)(?=\S)([^\n]{1,500}?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*_])([*_])(?=[^\s*_])([^\n*_]{1,500}?)(?<=\S)\1(?![\w*_])")
_STRUCK = re.compile(r"~~(?=\S)([^\n~]{1,500})(?<=\S)~~")
_CODE = re.compile(r"(`{1,2})([^`\n]{1,500})\1")


class MarkupSpec(Spec):
    """Which marks are taken out."""

    html: bool = True
    """HTML tags, comments, scripts and styles; entities (``&amp;``) are decoded."""
    markdown: bool = False
    """Headings' ``#``, emphasis, links (their text stays), code fences (their code stays)."""


def strip_markup(text: str, spec: MarkupSpec) -> str:
    """Take marks out of a text.

    ``x < y and y > z`` is no tag: only names of HTML elements with proper attributes are.

    Args:
        text: Any text.
        spec: Which marks.
    """
    if spec.html and ("<" in text or "&" in text):
        text = _without_html(text)
    return _without_markdown(text) if spec.markdown else text


def _without_html(text: str) -> str:
    before = text
    if "<" in text:
        for start, end in _SILENT:
            text = _without_spans(text, start, end)
        text = _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n", _DOCTYPE.sub("", text)))
    if text != before:
        text = _BLANKS.sub("\n\n", text).strip()
    return html.unescape(text)


def _without_spans(text: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """Without what stands from each start to the next end; a start without end stays."""
    kept, place = [], 0
    while (opened := start.search(text, place)) and (closed := end.search(text, opened.end())):
        kept.append(text[place : opened.start()])
        place = closed.end()
    return "".join([*kept, text[place:]])


def _without_markdown(text: str) -> str:
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        elif _UNDERLINE.match(line) and lines and lines[-1].strip():
            continue
        elif not _RULE.match(line):
            lines.append(_plain(line))
    return "\n".join(lines)


def _plain(line: str) -> str:
    line = _QUOTE.sub("", line)
    if heading := _HEADING.match(line):
        line = heading[1]
    line = _CODE.sub(r"\2", _LINK.sub(r"\1", line))
    return _STRUCK.sub(r"\1", _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", line)))
