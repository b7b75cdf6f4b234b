"""Sentences with exact offsets, also while a text is still coming.

A text is cut without a rest: the segments end to end are the text. White space belongs to the
segment before it, and so does a citation behind a full stop (``It is so. [1]``).
"""

from __future__ import annotations

import re

_END = re.compile(
    r"(?:(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?:[ \t]*\[\d+(?:\s*[,;]\s*\d+)*\])*(?=\s)"
    r"|[。！？]+[”’」』）]*)\s*"
    r"|(?<![ \t])[ \t]*+\n\s*"
)
_OPEN = re.compile(r"(?:\[[\d\s,;]*\]?\s*)*")  # may yet become a citation of the sentence before
_BEFORE = re.compile(r"([^\W\d_]+(?:\.[^\W\d_]+)*)\.$")
_SHORT_FORMS = frozenset(
    re.findall(
        r"\S+",
        "al approx art bd bzw ca cf ch chap co col corp dept dr ed eds eq esp est etc fig figs gen "
        "gov inc jr lt ltd max messrs min mr mrs ms mt no nos nr op p pp prof rep rev sec sen sgt "
        "sr st str u.a univ v vol vs z.b e.g i.e",
    )
)


def segments(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence or line of a text, white space behind it included."""
    spans, start = [], 0
    for found in _END.finditer(text):
        end = found.end()
        if end < len(text) and _ends(text, found):
            spans.append((start, end))
            start = end
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def sentences(text: str) -> list[tuple[int, int]]:
    """The same without the white space around them; empty ones are left out."""
    spans = []
    for start, end in segments(text):
        body = text[start:end]
        left, right = start + len(body) - len(body.lstrip()), start + len(body.rstrip())
        if left < right:
            spans.append((left, right))
    return spans


class Segmenter:
    """Cuts a text that comes in pieces; what it gives out is never taken back.

    However the text is cut into pieces, the segments are those of the whole.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> list[str]:
        """The segments that are whole now."""
        self._held += piece
        spans = segments(self._held)
        whole = len(spans) - 1
        if whole > 0 and _OPEN.fullmatch(self._held, spans[whole][0]):
            whole -= 1
        if whole <= 0:
            return []
        told = [self._held[start:end] for start, end in spans[:whole]]
        self._held = self._held[spans[whole][0] :]
        return told

    def end(self) -> list[str]:
        """The rest."""
        told = [self._held[start:end] for start, end in segments(self._held)]
        self._held = ""
        return told


def _ends(text: str, found: re.Match[str]) -> bool:
    """Whether a sentence ends here: not behind a short form, nor where the next goes on small."""
    if "\n" in found[0]:
        return True
    mark = found[0].rstrip()
    if mark[:1] in "。！？":
        return True
    if text[found.end()].islower():
        return False
    if mark != ".":
        return True
    word = _BEFORE.search(text, max(0, found.start() - 24), found.start() + 1)
    if word is None:
        return True
    last = word[1]
    return last.lower() not in _SHORT_FORMS and not (len(last) == 1 and last.isupper())
