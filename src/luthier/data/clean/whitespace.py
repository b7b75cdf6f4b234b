"""White space: one kind of line end, one kind of space, no blanks that nobody sees."""

from __future__ import annotations

import re

from pydantic import Field

from luthier.core.spec import Spec

_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")  # not the ideographic one
_INNER = re.compile(r"(?<=\S)[ \t]+")


class WhitespaceSpec(Spec):
    """What is done to white space. Line ends, odd spaces and blanks at line ends always go."""

    collapse: bool = False
    """Write several spaces inside a line as one; indentation stays."""
    max_blank_lines: int = Field(default=2, ge=0, le=100)
    """More empty lines in a row than this are taken out."""


def tidy(text: str, spec: WhitespaceSpec) -> str:
    """Tidy the white space of a text; indentation stays.

    Args:
        text: Any text.
        spec: How far to go.
    """
    if not text.replace("\n", "").isprintable():
        text = _SPACES.sub(" ", _BREAKS.sub("\n", text))
    if " \n" in text or "\t\n" in text:
        text = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    if "\n" * (spec.max_blank_lines + 2) in text:
        few = "\n" * (spec.max_blank_lines + 1)
        text = re.sub(f"\n{{{spec.max_blank_lines + 2},}}", few, text)
    if spec.collapse and ("  " in text or "\t" in text):
        text = _INNER.sub(" ", text)
    text = text.rstrip().lstrip("\n")
    return text if "\n" in text else text.lstrip()
