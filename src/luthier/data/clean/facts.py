"""What the rules look at: a text with its words and lines, split once for all of them."""

from __future__ import annotations

import dataclasses
from typing import Literal

Verdict = tuple[str, str] | None
"""None: the text may stay. Else why not: (a short fixed reason, what was seen)."""

Rows = Literal["all", "documents", "rows"]
"""Which rows a rule judges: documents are texts, rows are conversations."""


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """A text and what several rules need of it.

    Attributes:
        text: The text itself.
        lower: The text in lower case.
        words: What stands between white space, in lower case, marks included.
        lines: The lines, without line ends.
        characters: Length of all words together: the characters that are not white space.
    """

    text: str
    lower: str
    words: list[str]
    lines: list[str]
    characters: int


def facts_of(text: str) -> Facts:
    """Split a text once."""
    lower = text.lower()
    words = lower.split()
    return Facts(text, lower, words, text.split("\n"), len("".join(words)))
