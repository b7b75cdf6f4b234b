"""Words of a text as answers and passages are compared: stems, numbers, names, negations.

The rules are small and the same for both sides, so that nothing needs a dictionary: a plural and
its singular meet, "1,000" and "1000" are one number, "four" is 4.
"""

from __future__ import annotations

import dataclasses
import functools
import re

EMPTY = frozenset(
    re.findall(
        r"\S+",
        "a about above after all also an and any are as at be because been before being between "
        "both but by can could did do does during each for from had has have he her his how i if "
        "in into is it its may me might more most my of on one or other our over own same she "
        "should so some such than that the their them then there these they this those through to "
        "too under until up upon very was we were what when where which while who whom whose why "
        "will with would you your name named called type kind "
        "der die das und ist ein eine von zu im wer wie was wo wann "
        "le la les un une des et est dans que qui quoi el los las una es en y de del",
    )
)
"""Words without a meaning of their own."""
NEGATIONS = frozenset(
    re.findall(
        r"\S+",
        "cannot hardly neither never no nobody none nor not nothing nowhere without "
        "nicht kein keine keinen nie niemals ohne ne pas jamais sans nunca jamás sin",
    )
)
_DIGITS = {
    word: str(value)
    for value, word in enumerate(
        re.findall(
            r"\S+",
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen twenty",
        )
    )
    if word != "one"
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100"}
_WORD = re.compile(r"\d+(?:[.,]\d+)*(?:st|nd|rd|th|s)?\b|[^\W_]+(?:['’][^\W_]+)*")
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)*)(?:st|nd|rd|th|s)?")
_OPENING = re.compile(r"[.!?:\n\"“(]\s*$")
_NEXT = re.compile(r"\s([^\W\d_]+)")
_VERB = re.compile(r"\w+ed|is|was|has|had|did|does|can|could|will|would|may|must|beat|won|became")
_ENDINGS = ("ations", "ation", "ings", "ing", "edly", "ied", "ed", "ies", "es", "s", "ly", "e")
_SHORTEST_STEM = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """A word of a text.

    Attributes:
        start: Offset of its first character.
        end: Offset behind its last.
        stem: What it is compared by.
        number: Whether it is a number; its stem is then its digits.
        negation: Whether it denies.
        name: Whether it is written as a name: with a capital within a sentence, or as its first
            word where a verb or another name follows ("Amati worked", "Water is").
    """

    start: int
    end: int
    stem: str
    number: bool
    negation: bool
    name: bool

    @property
    def empty(self) -> bool:
        """Whether it has no meaning of its own."""
        return self.stem in EMPTY


@functools.lru_cache(maxsize=4096)
def terms(text: str) -> tuple[Term, ...]:
    """The words of a text, in order."""
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        lower = word.lower()
        digits = _NUMBER.fullmatch(lower)
        number = digits is not None or lower in _DIGITS
        value = digits[1].replace(",", "") if digits else _DIGITS.get(lower, "")
        stem = value if number else stem_of(lower)
        name = word[0].isupper() and not number and _is_name(text, match)
        denies = lower in NEGATIONS or lower.endswith(("n't", "n’t"))
        found.append(Term(match.start(), match.end(), stem, number, denies, name))
    return tuple(found)


def _is_name(text: str, match: re.Match[str]) -> bool:
    """Whether a word with a capital is a name rather than the first of a sentence."""
    opening = match.start() == 0 or _OPENING.search(text, max(0, match.start() - 4), match.start())
    if not opening or not match[0][1:].islower():
        return True
    after = _NEXT.match(text, match.end())
    if after is None or match[0].lower() in EMPTY:
        return False
    return after[1][0].isupper() or (bool(_VERB.fullmatch(after[1])) and match[0][-1] != "s")


def stem_of(word: str) -> str:
    """A lower-case word without its ending."""
    word = re.sub(r"['’]s?$", "", word)
    if word in EMPTY or word in NEGATIONS:
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def meant(text: str) -> tuple[Term, ...]:
    """The words of a text that have a meaning of their own; negations are not among them."""
    return tuple(t for t in terms(text) if not t.empty and not t.negation)


def stems(text: str) -> frozenset[str]:
    """What the meaningful words of a text are compared by."""
    return frozenset(t.stem for t in meant(text))


def numbers(text: str) -> frozenset[str]:
    """The numbers in a text, as digits."""
    return frozenset(t.stem for t in terms(text) if t.number)
