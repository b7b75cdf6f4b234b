"""Passages by structure: sections, paragraphs, lists, tables and code stay whole where they fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal, assert_never

from luthier.rag.chunkers._blocks import MAX_HEADING_CHARS, Block, Content, blocks, lines
from luthier.rag.chunkers._code import code_spans
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers._span import Kind, Span
from luthier.rag.chunkers.tokens import Overlapping, token_spans

_OPENS_AT = 4  # a heading opens a passage once the one before holds this part of the size
_HEAD_SHARE = 2  # a table's header row is repeated if it is at most this part of the size


class RecursiveChunks(Overlapping):
    """Passages of whole sections, paragraphs, list items, table rows and definitions.

    Overlap is within paragraphs that are too long for one passage.
    """

    kind: Literal["recursive"] = "recursive"


Slice = tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class _Section:
    """A block, with the headings right above it.

    Attributes:
        start: Of its first heading, or of the block.
        block: What stands below them.
        title: The last of the headings, if there is one and it is not a page long.
    """

    start: int
    block: Block
    title: Slice | None

    @property
    def opens(self) -> bool:
        """Whether it begins with a heading."""
        return self.start < self.block.start or self.block.kind == "heading"


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    """A span that fits, and the heading that it stands under without holding it."""

    span: Span
    title: Slice | None


def recursive_spans(
    measure: Measure, content: Content, start: int, end: int, *, size: int, overlap: int
) -> Iterator[Span]:
    """Cut a slice of a text by its structure.

    Blocks are joined while they fit; a heading stands with what follows it, and opens a new span
    once the one before holds a quarter of the size. A block that does not fit is cut: a table
    between rows, with its header row as context of all but the first; a list between items; code
    between definitions or lines; a paragraph between sentences. A span that does not hold the
    heading it stands under has it as context.

    Args:
        measure: The text.
        content: How it is to be read.
        start: Of the slice.
        end: Of the slice.
        size: Most tokens of a span.
        overlap: Most tokens that a piece of a paragraph repeats of the one before it.
    """
    held: list[_Piece] = []
    title: Slice | None = None
    for section in _sections(measure, content, start, end, size):
        if section.opens and held and _is_enough(measure, held, size):
            yield _whole(held)
            held = []
        for span in _pieces(measure, section, size, overlap):
            above = (section.title or title) if span.start > section.start else title
            piece = _Piece(span, None if section.opens and span.start == section.start else above)
            if held and not _goes_with(measure, held, span, size):
                yield _whole(held)
                held = []
            held.append(piece)
        title = section.title or title
    if held:
        yield _whole(held)


def _sections(
    measure: Measure, content: Content, start: int, end: int, size: int
) -> Iterator[_Section]:
    """Blocks, each with the headings above it as long as these leave it half of the size."""
    above: list[Block] = []
    for block in blocks(measure.text, content, start, end):
        if above and measure.count(above[0].start, block.start) * 2 > size:
            yield _headings_alone(above)
            above = []
        if block.kind == "heading":
            above.append(block)
        else:
            first = above[0].start if above else block.start
            yield _Section(first, block, _title(above))
            above = []
    if above:
        yield _headings_alone(above)


def _headings_alone(above: list[Block]) -> _Section:
    start = above[0].start
    return _Section(start, Block(start, above[-1].end, "heading"), _title(above))


def _title(above: list[Block]) -> Slice | None:
    if not above or above[-1].end - above[-1].start > MAX_HEADING_CHARS:
        return None
    return above[-1].start, above[-1].end


def _pieces(measure: Measure, section: _Section, size: int, overlap: int) -> Iterator[Span]:
    """A block as one span, with the headings above it, or as many."""
    block, start = section.block, section.start
    if measure.fits(start, block.end, size):
        yield Span(start, block.end, block.kind)
        return
    match block.kind:
        case "code":
            if start < block.start and measure.fits(start, block.start, size):
                yield Span(*measure.stripped(start, block.start), "heading")
                start = block.start
            yield from code_spans(measure, start, block.end, size)
        case "table" | "list" | "conversation":
            yield from _parts(measure, section, size, overlap)
        case "heading" | "":
            for one in token_spans(measure, start, block.end, size=size, overlap=overlap):
                yield dataclasses.replace(one, kind=block.kind)
        case _:
            assert_never(block.kind)


def _parts(measure: Measure, section: _Section, size: int, overlap: int) -> Iterator[Span]:
    """Rows of a table, items of a list or lines of a turn, joined while they fit."""
    text, block = measure.text, section.block
    head = _head(measure, block, size)
    begin = stop = section.start

    def span(left: int, right: int) -> Span:
        left, right = _trimmed(text, left, right)
        under = head is not None and left >= head[1]
        return Span(left, right, block.kind, (head, (left, right)) if head and under else ())

    for left, right in _units(text, block):
        if measure.fits(begin, right, size):
            stop = right
            continue
        if begin < stop:
            yield span(begin, stop)
        begin, stop = (left, right) if begin < stop else (begin, right)
        if not measure.fits(begin, right, size):
            for one in token_spans(measure, begin, right, size=size, overlap=overlap):
                yield span(one.start, one.end)
            begin = stop = right
    if begin < stop:
        yield span(begin, stop)


def _units(text: str, block: Block) -> Iterator[Slice]:
    """Rows or lines; of a list its items with what is indented below them."""
    if block.kind != "list":
        yield from lines(text, block.start, block.end)
        return
    outermost = min(_indent(text, a, b) for a, b in lines(text, block.start, block.end))
    begin = block.start
    for at, stop in lines(text, block.start, block.end):
        if at > begin and text[at:stop].strip() and _indent(text, at, stop) <= outermost:
            yield begin, at
            begin = at
    yield begin, block.end


def _indent(text: str, start: int, end: int) -> int:
    line = text[start:end]
    return len(line) - len(line.lstrip()) if line.strip() else 1 << 30


def _head(measure: Measure, block: Block, size: int) -> Slice | None:
    """The header row of a table, with the line of dashes below it, if it is short."""
    if block.kind != "table":
        return None
    rows = lines(measure.text, block.start, block.end)
    first, second = next(rows), next(rows, None)
    ruled = second is not None and not measure.text[slice(*second)].strip(" \t\r\n|:-+=")
    end = second[1] if ruled and second is not None else first[1]
    small = measure.count(*first) * _HEAD_SHARE <= size
    return _trimmed(measure.text, block.start, end) if small else None


def _trimmed(text: str, start: int, end: int) -> Slice:
    """A slice without white space at its end and blank lines at its start."""
    body = text[start:end]
    blank = len(body) - len(body.lstrip())
    line = body.rfind("\n", 0, blank) + 1
    return start + line, start + len(body.rstrip())


def _is_enough(measure: Measure, held: list[_Piece], size: int) -> bool:
    return measure.count(held[0].span.start, held[-1].span.end) * _OPENS_AT >= size


def _goes_with(measure: Measure, held: list[_Piece], span: Span, size: int) -> bool:
    """Whether a span may stand in one with those held back: neither needs a context of its own."""
    return not (span.context or held[0].span.context) and measure.fits(
        held[0].span.start, span.end, size
    )


def _whole(held: list[_Piece]) -> Span:
    """Pieces as one span; its kind is that of most of its characters."""
    first, start, end = held[0], held[0].span.start, held[-1].span.end
    lengths: dict[Kind, int] = {}
    for piece in held:
        kind = piece.span.kind
        lengths[kind] = lengths.get(kind, 0) + piece.span.end - piece.span.start
    heads = [first.title] if first.title else []
    heads += first.span.context[:-1]
    kind = max(lengths, key=lengths.__getitem__)
    return Span(start, end, kind, (*heads, (start, end)) if heads else ())
