"""Where program text may be cut: before definitions, those of the outermost level first.

Definitions are told by how lines begin, not by a parser, so that snippets, broken files and other
languages than Python are cut well, too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from luthier.rag.chunkers._blocks import lines
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers._span import Span
from luthier.rag.chunkers.tokens import token_spans

_WORDS_BEFORE = (
    "abstract|async|default|export|extern|final|inline|internal|open|override|private|protected|"
    r"pub(?:\([^)\n]*\))?|public|sealed|static|unsafe|virtual"
)
_DEFINES = re.compile(
    rf"[ \t]*(?:(?:{_WORDS_BEFORE})[ \t]+)*(?:class|def|enum|fn|func|function|impl|interface|mod|"
    r"module|namespace|object|protocol|record|struct|sub|trait|type)\b[ \t]+\S"
)
_LEADS = re.compile(r"[ \t]*(?:@|#|//|/\*|\*)")  # decorators and comments above it
_CLOSES = re.compile(r"[ \t]*(?:[}\])]|end\b|else\b|elif\b|except\b|finally\b|catch\b)")
Heads = tuple[tuple[int, int], ...]
"""First lines of the definitions that a piece stands in."""

_MAX_DEPTH = 8
_MAX_HEAD_SHARE = 2


def code_spans(measure: Measure, start: int, end: int, size: int) -> Iterator[Span]:
    """Cut program text into spans of whole definitions where they fit.

    A definition that does not fit is cut before those inside it, with its own first line as
    context; what has none inside is cut at blank lines, or else at lines.

    Args:
        measure: The text.
        start: Of the program text.
        end: Of the program text.
        size: Most tokens of a span.
    """
    yield from _cut(measure, start, end, size, (), 0)


def _cut(
    measure: Measure, start: int, end: int, size: int, heads: Heads, deep: int
) -> Iterator[Span]:
    if measure.fits(start, end, size):
        yield _span(start, end, heads)
        return
    units = _units(measure.text, start, end)
    first = _definition(measure.text, start, end)
    inner = heads  # what stands above all but the first unit
    if len(units) == 1 and first is not None:
        units = _units(measure.text, first[1], end)
        units[:1] = [(start, units[0][1])] if units else []
        if measure.count(*first) * _MAX_HEAD_SHARE <= size:
            inner = (*heads, first)
    if len(units) < 2 or deep == _MAX_DEPTH:
        for one in token_spans(measure, start, end, size=size, overlap=0):
            left = _line_start(measure.text, one.start, start)
            left = left if measure.fits(left, one.end, size) else one.start
            above = heads if first is None or one.start < first[1] else inner
            yield _span(left, one.end, above)
        return
    for left, right in _joined(measure, units, size):
        yield from _cut(measure, left, right, size, heads if left == start else inner, deep + 1)


def _joined(measure: Measure, units: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Units that stand together while they fit."""
    begin, stop = units[0]
    for left, right in units[1:]:
        if not measure.fits(begin, right, size):
            yield begin, stop
            begin = left
        stop = right
    yield begin, stop


def _units(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The definitions at the outermost level of a slice, and what stands between them."""
    level = _level(text, start, end)
    borders: list[int] = []
    leads = -1  # where decorators and comments began that stand right above this line
    inside = False
    for at, stop in lines(text, start, end):
        line = text[at:stop]
        if not line.strip():
            leads = -1
            continue
        if _indent(line) > level:
            leads = -1
            continue
        if _DEFINES.match(line):
            borders.append(leads if leads >= 0 else at)
            inside, leads = True, -1
        elif _LEADS.match(line):
            leads = leads if leads >= 0 else at
        else:
            if inside and not _CLOSES.match(line):
                borders.append(leads if leads >= 0 else at)
                inside = False
            leads = -1
    places = [start, *(b for b in borders if b > start), end]
    found = []
    for left, right in itertools.pairwise(places):
        body = text[left:right]
        if body.strip():
            found.append((left, left + len(body.rstrip())))
    return found


def _level(text: str, start: int, end: int) -> int:
    """The smallest indentation of a definition, or of any line if there is none."""
    smallest = lowest = 1 << 30
    for at, stop in lines(text, start, end):
        line = text[at:stop]
        if line.strip():
            lowest = min(lowest, _indent(line))
            if _DEFINES.match(line):
                smallest = min(smallest, _indent(line))
    return smallest if smallest < 1 << 30 else lowest


def _definition(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The first line of the first definition."""
    for at, stop in lines(text, start, end):
        if _DEFINES.match(text, at, stop):
            return at, at + len(text[at:stop].rstrip())
    return None


def _span(start: int, end: int, heads: Heads) -> Span:
    return Span(start, end, "code", (*heads, (start, end)) if heads else ())


def _line_start(text: str, place: int, start: int) -> int:
    """The start of a line of which only white space stands before a place, else the place."""
    at = max(text.rfind("\n", start, place) + 1, start)
    return place if text[at:place].strip() else at


def _indent(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
