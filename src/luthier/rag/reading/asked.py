"""What kind of answer a question asks for, and which stretches of a text are of that kind."""

from __future__ import annotations

import re
from typing import Literal

from luthier.rag.reading.terms import terms

Kind = Literal["person", "time", "count", "money", "share", "place", "thing", "reason"]

_ASKS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (
        "share",
        (
            r"\bwhat (?:percent\w*|share|proportion)\b",
            r"\bwie viel prozent\b",
        ),
    ),
    (
        "money",
        (
            r"\bhow much (?:money|did .{1,40} (?:cost|pay|earn|spend)|does .{1,40} cost)\b",
            r"\bhow much was .{1,40} paid|\bhow expensive\b|\bwhat (?:price|cost)\b",
            r"\bwie teuer\b|\bcombien co[uû]te",
        ),
    ),
    (
        "count",
        (
            r"\bhow (?:many|much|long|old|tall|high|far|large|big|deep|wide|fast|heavy|often)\b",
            r"\bwhat (?:number|population|age)\b",
            r"\bwie (?:viele?|lange?|alt|hoch|weit)\b|\bcombien\b|\bcu[aá]nt[oa]s?\b|\bquant[ie]\b",
        ),
    ),
    (
        "time",
        (
            r"\bwhen\b",
            r"\b(?:what|which) (?:year|date|day|month|century|decade|time|era|season)\b",
            r"\bwann\b|\bquand\b|\bcu[aá]ndo\b|\bquando\b",
        ),
    ),
    (
        "person",
        (
            r"\bwho(?:m|se)?\b",
            r"\b(?:what|which) (?:person|man|woman|player|author|king|queen|president|artist)\b",
            r"\bwe[rnm]\b|\bqui[eé]n\b|^qui\b|\bchi\b",
        ),
    ),
    (
        "place",
        (
            r"\bwhere\b",
            r"\b(?:what|which) (?:city|country|state|place|town|river|region|location|continent)\b",
            r"\b(?:what|which) (?:island|street|stadium)\b",
            r"\bwo(?:hin|her)?\b|\bo[uù]\b|\bd[oó]nde\b|\bdove\b",
        ),
    ),
    ("reason", (r"\bwhy\b|\bfor what reason\b", r"\bwarum\b|\bpourquoi\b|\bpor qu[eé]\b")),
)
_KINDS = tuple((kind, re.compile("|".join(asks), re.IGNORECASE)) for kind, asks in _ASKS)
_MONTH = (
    r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_NUMBER = r"\d+(?:[.,]\d+)*(?:[½¼¾])?"
_SMALL = (
    r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|"
    r"hundreds?|thousands?|millions?|billions?|one|dozens?|half|zero|no|once|twice)"
)
_TIME = re.compile(
    rf"(?:(?:early|late|mid)[ -])?{_MONTH}(?: \d{{1,2}}(?:st|nd|rd|th)?(?!\d))?(?:,? \d{{4}})?"
    rf"|\d{{1,2}} {_MONTH}(?: \d{{4}})?"
    r"|(?:(?:the )?(?:early|late|mid|end of the|beginning of the)[ -])?"
    r"\b(?:1\d{3}|20\d{2}|[3-9]\d{2})(?:s|\b)(?:[–-]\d{2,4})?(?: (?:BC|AD|BCE|CE))?"
    r"|(?:the )?(?:early |late |mid-?)?\w+(?:th|st|nd|rd|teenth) century"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
)
_COUNT = re.compile(
    rf"(?:(?:about|over|around|nearly|almost|approximately|up to|at least|more than|less than) )?"
    rf"(?:{_NUMBER}|\b{_SMALL}\b)(?:[- ]{_SMALL}\b)*"
    r"(?: (?:percent|per cent|million|billion|thousand|years?|days?|months?|weeks?|hours?|minutes?|"
    r"seconds?|miles?|km|kilometers?|kilometres?|meters?|metres?|feet|foot|inches|mm|cm|acres|"
    r"square \w+|degrees|times|people|students|tons?|tonnes|kg|mph))*(?:%)?",
    re.IGNORECASE,
)
_MONEY = re.compile(
    rf"(?:US)?[$€£¥]\s?{_NUMBER}(?: (?:million|billion|trillion|thousand))?"
    rf"|{_NUMBER}(?: (?:million|billion|thousand))? (?:dollars|euros?|pounds|marks|francs|yen)",
    re.IGNORECASE,
)
_SHARE = re.compile(rf"(?:{_NUMBER}|{_SMALL}) ?(?:%|per ?cent\b)(?:age points)?", re.IGNORECASE)
_NAME = re.compile(
    r"(?:[A-ZÀ-Þ][\w'’.-]*)(?:,? (?:[A-ZÀ-Þ][\w'’-]*|of|the|de|la|von|van|der|and|du|le|al|bin|&)"
    r"(?= |$|[,.;:)]))*"
)
_TAIL = re.compile(r"(?:,? (?:of|the|de|la|von|van|der|and|du|le|al|bin|&))+$")
_PATTERNS = {"time": _TIME, "count": _COUNT, "money": _MONEY, "share": _SHARE}
_BREAK = re.compile(r"[.,;:()\"“”!?\[\]–—\n]|\s-\s")


def kind_of(question: str) -> Kind:
    """What a question asks for; ``thing`` where nothing tells."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), "thing")


def of_kind(text: str, kind: Kind) -> list[tuple[int, int]]:
    """Stretches of a text that may be such an answer, in order.

    Args:
        text: A sentence.
        kind: For ``thing`` and ``reason`` these are the runs of words between words without
            meaning and punctuation; for persons and places names.
    """
    match kind:
        case "person" | "place":
            return _names(text)
        case "thing" | "reason":
            return _runs(text)
        case _:
            pattern = _PATTERNS[kind]
            found = [m.span() for m in pattern.finditer(text) if m[0].strip()]
            return found or ([] if kind == "count" else of_kind(text, "count"))


def _names(text: str) -> list[tuple[int, int]]:
    spans = []
    for found in _NAME.finditer(text):
        end = found.start() + len(_TAIL.sub("", found[0].rstrip(".,'’")))
        named = any(t.name for t in terms(text) if found.start() <= t.start < end)
        if named and end > found.start():
            spans.append((found.start(), end))
    return spans


def _runs(text: str) -> list[tuple[int, int]]:
    """Runs of meaningful words; names with small words within are added whole."""
    spans: list[tuple[int, int]] = []
    start = end = -1
    for term in terms(text):
        if term.empty or (start >= 0 and _BREAK.search(text, end, term.start)):
            if start >= 0:
                spans.append((start, end))
            start = -1
        if not term.empty:
            start = term.start if start < 0 else start
            end = term.end
    if start >= 0:
        spans.append((start, end))
    return list(dict.fromkeys([*spans, *_names(text)]))
