"""Where English sentences end: not after ``Mr.`` or ``e.g.``, nor within a number.

A full stop after an abbreviation, an initial or letters with stops between them (``U.S.``) ends a
sentence only where letters with stops are followed by a common first word with a capital; after
``etc.`` and units any capital will do.
"""

from __future__ import annotations

import re

from luthier.data.augment._word_lists import ABBREVIATIONS, NEGATIONS, STOP_WORDS, word_set

_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s)|\n")
_BEFORE = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]+$")
_AFTER = re.compile(r"\s*[\"'“‘(\[]*(\w*)")
_LAST_CHARS = 40
_MAY_END = word_set("etc inc ltd co corp jr sr oz lb lbs yr yrs hr hrs min max ft est")


def sentence_ends(text: str, start: int = 0, end: int | None = None) -> list[int]:
    """Places after which a new sentence begins: past its full stop, its quotes, or its line end.

    Args:
        text: Any text.
        start: Where the stretch that is looked at begins.
        end: Where it ends; a place there counts only if the text goes on with a space.
    """
    last = len(text) if end is None else end
    found = []
    for match in _END.finditer(text, start, min(last + 1, len(text))):
        if match.end() > last:
            break
        if match[0][0] in "!?\n" or len(match[0].rstrip("\"'”’)]")) > 1 or _ends(text, match):
            found.append(match.end())
    return found


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether a single full stop ends a sentence."""
    before = _BEFORE.search(text, max(0, match.start() - _LAST_CHARS), match.start())
    if before is None:
        return True
    said = before[0]
    found = _AFTER.match(text, match.end())
    after = found[1] if found else ""
    common = after.lower() in STOP_WORDS or after.lower() in NEGATIONS
    if "." in said:
        return after[:1].isupper() and common
    if len(said) == 1 and said.isupper() and said != "I":
        return after[:1].isupper() and common
    if said.lower() not in ABBREVIATIONS:
        return True
    if said.lower() == "no":
        return not after[:1].isdigit()
    if said.lower() in _MAY_END:
        return after[:1].isupper() or not after
    return said.islower() and after[:1].isupper() and said.lower() not in ("vs", "cf", "al")
