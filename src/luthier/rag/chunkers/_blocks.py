"""The blocks of a text: headings, paragraphs, lists, tables, code.

Markdown as CommonMark has it, as far as blocks go; and what the sources of Luthier make of HTML,
Word and PDF files: rows of cells between bars, items that begin with a dash.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Literal

from luthier.rag.chunkers._span import Kind

Content = Literal["code", "conversation", "markdown", "prose", "table"]
"""What a document holds, by which it is cut."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+\S")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-{2,}|~{3,})[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_ROW = re.compile(r"[ \t]*\|.*\||.*\S[ \t]+\|(?:[ \t]|$)")
_INDENTED = re.compile(r"(?: {4}|\t)[ \t]*\S")
_PROMPT = re.compile(r"[ \t]*>>> ")
_SPEAKER = re.compile(r"(?:\[[^\]\n]{1,24}\][ \t]*)?\**[A-Z][^\s:|][^:\n|]{0,28}\**:\**[ \t]+\S")
MAX_HEADING_CHARS = 200
_MAX_BLANK = 2  # lines within a list or code


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A piece of a text that belongs together.

    Attributes:
        start: Offset in characters.
        end: Offset behind the last character; white space between blocks is in none.
        kind: What it is.
    """

    start: int
    end: int
    kind: Kind


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def blocks(text: str, content: Content, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """The blocks of a slice of a text, in order; every character but white space is in one.

    Args:
        text: The text.
        content: How it is to be read.
        start: Of the slice.
        end: Of the slice; the text's if None.
    """
    last = len(text) if end is None else end
    match content:
        case "code" | "table":
            body = text[start:last]
            left, right = start + len(body) - len(body.lstrip()), start + len(body.rstrip())
            if left < right:
                yield Block(left, right, content)
        case "conversation":
            yield from _turns(text, start, last)
        case "markdown" | "prose":
            yield from _Reader(text, start, last, content == "markdown").read()


def is_turn(line: str) -> bool:
    """Whether a line begins somebody's turn of a conversation (``Ann: Hello``)."""
    return bool(_SPEAKER.match(line))


def lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The lines of a slice, with their line breaks."""
    while start < end:
        stop = text.find("\n", start, end) + 1 or end
        yield start, stop
        start = stop


def _turns(text: str, start: int, end: int) -> Iterator[Block]:
    """A turn goes on until the next one begins."""
    begin = start
    for at, _ in lines(text, start, end):
        if at > begin and _SPEAKER.match(text, at):
            yield from _block(text, begin, at, "conversation")
            begin = at
    yield from _block(text, begin, end, "conversation")


def _block(text: str, start: int, end: int, kind: Kind) -> Iterator[Block]:
    body = text[start:end]
    left, right = start + len(body) - len(body.lstrip()), start + len(body.rstrip())
    if left < right:
        yield Block(left, right, kind)


_Test = Callable[[_Line], bool]


class _Reader:
    """Reads lines one by one, with one line held back."""

    def __init__(self, text: str, start: int, end: int, markdown: bool) -> None:
        self._text, self._markdown = text, markdown
        self._lines = lines(text, start, end)
        self._held: list[_Line] = []

    def read(self) -> Iterator[Block]:
        after_blank = True
        while (line := self._peek()) is not None:
            if line.blank:
                self._take()
                after_blank = True
                continue
            yield self._one(line, after_blank)
            after_blank = False

    def _one(self, line: _Line, after_blank: bool) -> Block:
        if self._markdown and (fence := _FENCE.match(line.text)):
            return self._fenced(fence[1])
        if self._is_heading(line):
            return self._while(lambda _: False, "heading")
        if self._is_underlined(line, after_blank):
            self._take()
            under = self._take()
            return Block(line.start, _right(under), "heading")
        if _is_row(line) and _is_row(self._peek(1)):
            return self._while(_is_row, "table")
        if _ITEM.match(line.text):
            return self._through(lambda one: bool(_ITEM.match(one.text)), "list")
        if _PROMPT.match(line.text):
            return self._while(lambda one: not one.blank, "code")
        if after_blank and _INDENTED.match(line.text):
            return self._through(lambda _: False, "code")
        return self._while(lambda one: not one.blank and not self._opens(one), "")

    def _is_heading(self, line: _Line) -> bool:
        return self._markdown and bool(_HEADING.match(line.text))

    def _is_underlined(self, line: _Line, after_blank: bool) -> bool:
        under = self._peek(1)
        if not after_blank or under is None or not _UNDERLINE.match(under.text):
            return False
        title = line.text.strip()
        long_enough = self._markdown or len(under.text.strip()) * 2 >= len(title)
        return len(title) <= MAX_HEADING_CHARS and long_enough and not _ITEM.match(line.text)

    def _opens(self, line: _Line) -> bool:
        """Whether a line ends the paragraph above it."""
        if self._markdown and (_FENCE.match(line.text) or _HEADING.match(line.text)):
            return True
        if _PROMPT.match(line.text) or _ITEM.match(line.text):
            return True
        return _is_row(line) and _is_row(self._peek(1))

    def _fenced(self, fence: str) -> Block:
        first = last = self._take()
        while (line := self._peek()) is not None:
            self._take()
            last = last if line.blank else line
            mark = _FENCE.match(line.text)
            if mark and mark[1].startswith(fence) and not line.text.strip(" \t\r\n" + fence[0]):
                break
        return Block(first.start, _right(last), "code")

    def _through(self, goes_on: _Test, kind: Kind) -> Block:
        """Lines of a kind, with what is indented below them, and blank lines between these."""
        first = last = self._take()
        while True:
            ahead = 0
            while (line := self._peek(ahead)) is not None and line.blank and ahead < _MAX_BLANK:
                ahead += 1
            more = line is not None and (goes_on(line) or bool(_INDENTED.match(line.text)))
            lazy = line is not None and not ahead and kind == "list" and not self._opens(line)
            if line is None or not (more or lazy):
                return Block(first.start, _right(last), kind)
            for _ in range(ahead + 1):
                last = self._take()

    def _while(self, goes_on: _Test, kind: Kind) -> Block:
        """The next line, and those behind it as long as they go on."""
        first = last = self._take()
        while (line := self._peek()) is not None and goes_on(line):
            last = self._take()
        return Block(first.start, _right(last), kind)

    def _peek(self, ahead: int = 0) -> _Line | None:
        while len(self._held) <= ahead:
            found = next(self._lines, None)
            if found is None:
                return None
            self._held.append(_Line(*found, self._text[found[0] : found[1]]))
        return self._held[ahead]

    def _take(self) -> _Line:
        return self._held.pop(0)


def _right(line: _Line) -> int:
    return line.start + len(line.text.rstrip())


def _is_row(line: _Line | None) -> bool:
    return line is not None and "|" in line.text and bool(_ROW.match(line.text))
