"""A text cut into words that may be altered, the gaps between them, and spans that may not.

Kept as they are: code, numbers, URLs and addresses, [placeholders], quoted strings, identifiers,
names (capitals within a sentence, all capitals, inner capitals), words of negation and of number.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

from luthier.data.augment._sentence_ends import sentence_ends
from luthier.data.augment._word_lists import NEGATIONS, NUMBER_WORDS

PieceKind = Literal["word", "gap", "kept"]

_FIRST_PERSON = {"I", "I'm", "I'd", "I'll", "I've", "I’m", "I’d", "I’ll", "I’ve"}
_KEPT = re.compile(
    r"""
    ```.*?```|`[^`\n]+`                                              # code
    |(?:https?|ftp)://\S+|\bwww\.\S+|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+  # links
    |\[[^\[\]\n]{1,80}\]|\$?\{[^{}\n]{1,80}\}|<[^<>\n]{1,80}>|%[sdf]\b  # placeholders
    |"[^"\n]+"|“[^”\n]+”|«[^»\n]+»|‘[^’\n]+’|(?<!\w)'[^'\n]+'(?!\w)  # quoted strings
    |(?<!\w)[$€£#]?[^\W\d_]*\d\w*(?:[.,:/%-]\w+)*%?                  # what has a digit in it
    |(?<!\w)(?:\w+(?:[./\\]\w+)+(?:\(\))?|\w+\(\)|\w*_\w*)           # identifiers, paths
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LONGEST_GAP = 20
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,:]\d+)*(?!\w)")


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text.

    Attributes:
        text: As it stands there.
        kind: ``word`` may be altered, ``gap`` is what stands between words, ``kept`` must stay.
    """

    text: str
    kind: PieceKind


def pieces(text: str, keep: Collection[str] = ()) -> list[Piece]:
    """Cut a text; the pieces put together are the text again.

    Args:
        text: Any text.
        keep: Further words to keep, in lower case.
    """
    found: list[Piece] = []
    end = 0
    for span in _KEPT.finditer(text):
        found += _words(text, end, span.start(), keep)
        found.append(Piece(span[0], "kept"))
        end = span.end()
    return found + _words(text, end, len(text), keep)


def join(cut: Iterable[Piece]) -> str:
    """The text of some pieces."""
    return "".join(piece.text for piece in cut)


def protected(text: str, keep: Collection[str] = ()) -> list[str]:
    """The spans of a text that must stay as they are, in order."""
    return [piece.text for piece in pieces(text, keep) if piece.kind == "kept"]


def keeps_content(old: str, new: str, keep: Collection[str] = ()) -> bool:
    """Whether a text made from another has all its kept spans, and no other number or negation."""
    spans = Counter(s for s in protected(old, keep) if not is_plain_word(s))
    return (
        all(count_span(new, span) >= n for span, n in spans.items())
        and Counter(_NUMBER.findall(new)) == Counter(_NUMBER.findall(old))
        and _number_words(new) == _number_words(old)
        and _negations(new) == _negations(old)
    )


def is_plain_word(span: str) -> bool:
    """Whether a kept span is a word of negation or of number, which have translations."""
    low = _plain(span)
    return low in NEGATIONS or low in NUMBER_WORDS


def replace_words(
    cut: Sequence[Piece], choices: Callable[[int], str | None], places: Iterable[int]
) -> str:
    """The text with the words at some places replaced in their own case.

    Args:
        cut: From ``pieces``.
        choices: What stands at a place from now on; None leaves it.
        places: Indices of words in ``cut``.
    """
    said = [piece.text for piece in cut]
    for place in places:
        chosen = choices(place)
        if chosen is not None:
            said[place] = in_case_of(cut[place].text, chosen)
    return "".join(said)


def in_case_of(model: str, word: str) -> str:
    """The word with a capital where the model has one."""
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def how_many(words: int, rate: float) -> int:
    """How many of some words are altered at a rate: at least one, at most all."""
    return min(words, max(1, round(rate * words)))


def _words(text: str, start: int, stop: int, keep: Collection[str]) -> list[Piece]:
    """Words, kept words and gaps of a stretch of a text that holds no other kept span."""
    found: list[Piece] = []
    end = start
    for match in _WORD.finditer(text, start, stop):
        if match.start() > end:
            found.append(Piece(text[end : match.start()], "gap"))
        first = _is_first(text, match.start())
        found.append(Piece(match[0], "kept" if _is_kept(match[0], first, keep) else "word"))
        end = match.end()
    if end < stop:
        found.append(Piece(text[end:stop], "gap"))
    return found


def _is_first(text: str, at: int) -> bool:
    """Whether a sentence begins with the word at a place, or a colon stands before it."""
    gap = at
    while gap > 0 and not text[gap - 1].isalnum() and at - gap < _LONGEST_GAP:
        gap -= 1
    between = text[gap:at]
    return gap == 0 or ":" in between or bool(sentence_ends(text, gap, at))


def _is_kept(word: str, first: bool, keep: Collection[str]) -> bool:
    low = _plain(word)
    if low in NEGATIONS or low in keep or not NUMBER_WORDS.isdisjoint(low.split("-")):
        return True
    if word in _FIRST_PERSON:
        return False
    if any(letter.isupper() for letter in word[1:]):
        return True
    return word[0].isupper() and not first


def count_span(text: str, span: str) -> int:
    """How often a span stands in a text, not as a part of a longer word; none if it is empty."""
    if not span:
        return 0
    left = r"(?<!\w)" if span[:1].isalnum() else ""
    right = r"(?!\w)" if span[-1:].isalnum() else ""
    return len(re.findall(f"{left}{re.escape(span)}{right}", text))


def _negations(text: str) -> int:
    return sum(low in NEGATIONS for low in map(_plain, _WORD.findall(text)))


def _number_words(text: str) -> Counter[str]:
    words = (part for word in _WORD.findall(text) for part in _plain(word).split("-"))
    return Counter(word for word in words if word in NUMBER_WORDS and word != "one")


def _plain(word: str) -> str:
    return word.lower().replace("’", "'")
