"""JSON files read piece by piece: the items of a list, the pairs of an object, never all at once.

A value that is taken must fit into memory, the file need not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

CHUNK_CHARS = 1 << 16
_SPACE = re.compile(r"[ \t\n\r]*")
_EDGE_CHARS = 16  # an error this near the end of what was read may be mended by what follows

_CUT_CHARS = 2  # of a number that reads as a shorter one when it is cut: "1" of "1.5", "1e+5"


class NotJsonError(Exception):
    """The text is not JSON.

    Args:
        what: What is wrong.
        line: On which line of the file.
    """

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


class JsonStream:
    """Reads one JSON text from a file, value by value.

    Args:
        file: The text.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._held = ""
        self._at = 0
        self._ended = False
        self._line = 1  # that of the first character held
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            found = _SPACE.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held) or not self._more():
                return self._held[self._at : self._at + 1]

    def items(self) -> Iterator[None]:
        """Stop before each item of the list that comes next; the caller must take or skip it."""
        self._one_of("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield
            if self._one_of(",]") == "]":
                return

    def pairs(self) -> Iterator[str]:
        """Each key of the object that comes next; the caller must take or skip its value."""
        self._one_of("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._error("a key in quotes should stand here")
            key = self.value()
            self._one_of(":")
            yield str(key)
            if self._one_of(",}") == "}":
                return

    def value(self) -> Any:
        """Take the next value.

        Raises:
            NotJsonError: There is none, or it is cut off or nested too deeply.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string")
                near = error.pos >= len(self._held) - _EDGE_CHARS
                if (cut or near) and self._more():
                    continue
                raise self._error(error.msg, error.pos) from None
            except RecursionError:
                raise self._error("nested too deeply") from None
            if end < len(self._held) - _CUT_CHARS or not self._more():
                self._at = end
                return value

    def skip(self) -> None:
        """Pass over the next value, holding only a part of it."""
        match self.peek():
            case "[":
                for _ in self.items():
                    self.value()
            case "{":
                for _ in self.pairs():
                    self.skip()
            case _:
                self.value()

    def end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            NotJsonError: Something does.
        """
        if self.peek():
            raise self._error("more follows after the end")

    def _one_of(self, signs: str) -> str:
        found = self.peek()
        if not found or found not in signs:
            wanted = " or ".join(f"'{sign}'" for sign in signs)
            raise self._error(f"{wanted} should stand here" + ("" if found else ", but it ends"))
        self._at += 1
        return found

    def _more(self) -> bool:
        """Read on; what was passed is forgotten. False at the end of the file."""
        if self._ended:
            return False
        more = self._file.read(max(CHUNK_CHARS, len(self._held) - self._at))
        if not more:
            self._ended = True
            return False
        self._line += self._held.count("\n", 0, self._at)
        self._held = self._held[self._at :] + more
        self._at = 0
        return True

    def _error(self, what: str, at: int | None = None) -> NotJsonError:
        passed = self._held.count("\n", 0, self._at if at is None else at)
        return NotJsonError(what, self._line + passed)
