"""The harm rule: texts that threaten, incite, urge to self-harm or dehumanise are refused.

Phrases, not single words: "kill the process" and "a black box" stay. That finds plain cases and
misses veiled ones; word lists of the project's own (slurs, profanity) are added by file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from pydantic import Field

from luthier.core.spec import Spec
from luthier.data.clean.facts import Facts, Rows, Verdict
from luthier.data.clean.groups import GROUPS

_PEOPLE = "|".join(
    sorted({re.escape(t) for groups in GROUPS.values() for terms in groups.values() for t in terms
            if t.endswith(("s", "men")) and len(t) > 3}, key=len, reverse=True)
)  # fmt: skip
_VIOLENCE = "kill|murder|shoot|stab|rape|strangle|behead|lynch|burn"
_PATTERNS: dict[str, str] = {
    "threat": rf"\b(?:i(?:'ll| will| am going to|'m going to| wanna| want to)|we(?:'ll| will)) "
    rf"(?:\w+ ){{0,2}}(?:{_VIOLENCE}) (?:you|him|her|them|your \w+|his family|everyone)\b",
    "incitement": rf"\b(?:let's|let us|someone should|somebody should|we should|we must|go) "
    rf"(?:\w+ )?(?:{_VIOLENCE}) (?:all (?:the )?)?(?:them|him|her|these people|those people|"
    rf"(?:the )?(?:{_PEOPLE}))\b",
    "self_harm": r"\b(?:kill|hang|cut|hurt|harm) (?:your ?self|urself|yourselves)\b|"
    r"\byou should (?:just )?(?:die|end your life|end it all)\b|"
    r"\bhow to (?:kill|hang) (?:myself|yourself)\b",
    "hate": rf"\b(?:{_PEOPLE}) (?:are|is) (?:all )?(?:just )?(?:vermin|sub-?human|animals|"
    r"parasites|cockroaches|filth|scum|trash|a plague|inferior|savages|rats)\b|"
    rf"\b(?:all|those|these|the) (?:{_PEOPLE}) (?:should|must|need to|have to) (?:all )?"
    r"(?:die|be (?:killed|exterminated|deported|gassed|wiped out))\b",
    "sexual": r"\b(?:child|kid|minor|underage|teen)\w* (?:porn\w*|sex|nudes?)\b|"
    r"\bhardcore porn\w*\b|\b(?:explicit|graphic) sex(?:ual)? (?:scene|act|content)s?\b",
    "weapons": r"\bhow (?:to|do i|can i) (?:make|build|construct|synthesi[sz]e) (?:a |an )?"
    r"(?!bath |seed |cherry )(?:\w+ )?"
    r"(?:pipe bomb|bomb|nerve agent|explosives?|sarin|ricin|molotov)\b",
}
_HINT = re.compile(
    rf"{_VIOLENCE}|hang|hurt|harm|die|end your|end it|vermin|human|animals|parasite|cockroach|"
    r"filth|scum|trash|plague|inferior|savage|rats|porn|sex|nude|bomb|nerve|explosive|sarin|ricin|"
    r"molotov|exterminat|deport|gassed|wiped"
)


class HarmSpec(Spec):
    """Which harmful texts are refused."""

    judges: Rows = "all"
    """Which rows are judged: ``all``, ``documents`` or ``rows``."""
    threat: bool = True
    """Threats of violence."""
    incitement: bool = True
    """Calls to violence against people."""
    self_harm: bool = True
    """Urging to suicide or self-harm."""
    hate: bool = True
    """Groups of people called less than human, or wished dead."""
    sexual: bool = True
    """Sexual content about minors, and pornography announced as such."""
    weapons: bool = True
    """Instructions for weapons of mass harm."""
    words: tuple[str, ...] = Field(default=())
    """Words and phrases of the project's own, found as whole words."""


def check_harm(facts: Facts, spec: HarmSpec) -> Verdict:
    """Whether a text is free of harm.

    Args:
        facts: The text.
        spec: What counts.
    """
    for kind, find in _finders(spec).items():
        found = find(facts.lower)
        if found:
            return f"harmful: {kind.replace('_', ' ')}", found
    return None


def harm_of(text: str, spec: HarmSpec) -> list[str]:
    """The kinds of harm that stand in a text."""
    lower = text.lower()
    return [kind for kind, find in _finders(spec).items() if find(lower)]


Find = Callable[[str], str]


@functools.lru_cache(maxsize=8)
def _finders(spec: HarmSpec) -> dict[str, Find]:
    finders: dict[str, Find] = {}
    for kind, pattern in _PATTERNS.items():
        if getattr(spec, kind):
            finders[kind] = _finder(re.compile(pattern), hinted=True)
    if spec.words:
        own = "|".join(re.escape(w.lower()) for w in sorted(spec.words, key=len, reverse=True))
        finders["word"] = _finder(re.compile(rf"(?<!\w)(?:{own})(?!\w)"), hinted=False)
    return finders


def _finder(pattern: re.Pattern[str], *, hinted: bool) -> Find:
    def find(lower: str) -> str:
        if hinted and not _HINT.search(lower):
            return ""
        found = pattern.search(lower)
        return found[0] if found else ""

    return find
