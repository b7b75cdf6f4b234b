"""Sentences of a text as slices of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luthier.data.augment._sentence_ends import sentence_ends

_WINDOW_CHARS = 100_000
_WRAPPED_CHARS = 40  # a shorter line was not ended for want of room
_OPENS = re.compile(r"[ \t]*(?:[-*+•#>|]|\d{1,3}[.)]\s|\n|$)")
_WIDE_END = re.compile(r"[。！？]+[」』”’）]*")
_STOP = re.compile(r"[.!?:;][\"'”’)\]]*\s*$")


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """The sentences of a slice of a text, without the white space around them.

    A line that was ended for want of room ends no sentence; a heading, an item of a list, a row of
    a table or a line of a conversation does. Together they hold every character but white space.

    Args:
        text: The text.
        start: Of the slice.
        end: Of the slice; the text's if None.
    """
    last = len(text) if end is None else end
    while start < last:
        stop = _window_end(text, start, last)
        begin = start
        for place in [*_ends(text, start, stop), stop]:
            body = text[begin:place]
            left, right = begin + len(body) - len(body.lstrip()), begin + len(body.rstrip())
            if left < right:
                yield left, right
            begin = max(begin, place)
        start = stop


def _window_end(text: str, start: int, last: int) -> int:
    """The end of what is looked at together: a blank line, a line or a space."""
    stop = start + _WINDOW_CHARS
    if stop >= last:
        return last
    found = (text.rfind(sign, start + 1, stop) for sign in ("\n\n", "\n", " "))
    return next((place + 1 for place in found if place > 0), stop)


def _ends(text: str, start: int, stop: int) -> list[int]:
    found = [
        place
        for place in sentence_ends(text, start, stop)
        if text[place - 1] != "\n" or not _is_wrapped(text, place)
    ]
    wide = [match.end() for match in _WIDE_END.finditer(text, start, stop)]
    return sorted({*found, *wide}) if wide else found


def _is_wrapped(text: str, place: int) -> bool:
    """Whether the line that ends before this place goes on in the next."""
    line = text[text.rfind("\n", 0, place - 1) + 1 : place - 1]
    if len(line) < _WRAPPED_CHARS or "|" in line or _OPENS.match(text, place):
        return False
    return not _STOP.search(line) and not line.startswith(("#", "\t", "    "))
