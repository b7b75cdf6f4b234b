"""Tokens of a text, counted once: where each begins, and whether a slice has too many.

A long text is cut into windows at white space before it is given to the tokenizer, and of each
token only its start is kept (4 bytes), so that a document of 50 MB fits into memory. What has no
white space, such as a file in base64, is one unknown token to some tokenizers: it is cut, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Offsets = Sequence[tuple[int, int]]
TokenOffsets = Callable[[str], Offsets]
"""Start and end of each token of a text, as `Encoder.token_offsets` gives them."""

WINDOW_CHARS = 100_000
LONG_TOKEN_CHARS = 100
"""A longer token is a word that the tokenizer does not know, of any length; it counts as many."""
_UNKNOWN_CHARS = 8  # of such a word, for each token it counts as
_SLACK = 2  # tokens that a slice may have more as a text of its own than it has within the text


class Measure:
    """A text and the starts of its tokens.

    Args:
        text: The text.
        token_offsets: The tokenizer.

    Attributes:
        text: The text.
        starts: Where each token begins, in characters, growing.
    """

    def __init__(self, text: str, token_offsets: TokenOffsets) -> None:
        self.text = text
        self._offsets = token_offsets
        parts = [_starts(text[a:b], a, token_offsets) for a, b in _windows(text)]
        self.starts: npt.NDArray[np.uint32] = np.concatenate(parts or [np.zeros(0, np.uint32)])

    def index(self, place: int) -> int:
        """How many tokens begin before a place."""
        return int(np.searchsorted(self.starts, np.uint32(place)))

    def count(self, start: int, end: int) -> int:
        """Tokens that begin in a slice of the text."""
        return self.index(end) - self.index(start)

    def excess(self, start: int, end: int, size: int) -> int:
        """How many tokens a slice has too many; 0 if it fits.

        Tokenizers see whole words: a slice that begins or ends inside one may have more tokens
        than begin in it. So slices close to the limit, or cut within a word, are counted anew.

        Args:
            start: Of the slice.
            end: Of the slice.
            size: Most tokens it may have.
        """
        counted = self.count(start, end)
        if counted > size:
            return counted - size
        if counted <= size - _SLACK and self._is_whole(start) and self._is_whole(end):
            return 0
        return max(0, len(self._offsets(self.text[start:end])) - size)

    def fits(self, start: int, end: int, size: int) -> bool:
        """Whether a slice, as a text of its own, has at most so many tokens."""
        return self.excess(start, end, size) == 0

    def stripped(self, start: int, end: int) -> tuple[int, int]:
        """A slice without the white space around it; an empty one if there is nothing else."""
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return start, end

    def _is_whole(self, place: int) -> bool:
        """Whether a border does not cut a word."""
        text = self.text
        at_edge = place <= 0 or place >= len(text)
        return at_edge or text[place - 1].isspace() or text[place].isspace()


def _windows(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = start + WINDOW_CHARS
        if end < len(text):
            # The space goes to the window behind it: some tokenizers count it to its word.
            spaces = (text.rfind(sign, start + 1, end) for sign in ("\n", " "))
            end = next((at for at in spaces if at > 0), end)
        else:
            end = len(text)
        yield start, end
        start = end


def _starts(text: str, base: int, token_offsets: TokenOffsets) -> npt.NDArray[np.uint32]:
    offsets = token_offsets(text)
    found = np.fromiter((start for start, _ in offsets), np.uint32, len(offsets))
    wide = np.flatnonzero(np.diff(found, append=np.uint32(len(text))) > LONG_TOKEN_CHARS)
    inner = [
        np.arange(start + _UNKNOWN_CHARS, end, _UNKNOWN_CHARS, dtype=np.uint32)
        for start, end in (offsets[at] for at in wide.tolist())
        if end - start > LONG_TOKEN_CHARS
    ]
    if inner:
        found = np.sort(np.concatenate([found, *inner]))
    return found + np.uint32(base)
