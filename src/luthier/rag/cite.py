"""Which passages verifiably support an answer.

A citation is not what the model says it used, but what can be checked in the text. An answer and
a passage are compared as lower-case words (letters and digits; punctuation is ignored):

- an answer of up to `SHORT` words is supported where all of it stands in the passage as one run
  and at least one word of it has a meaning of its own (is no article, preposition or the like);
- a longer answer is supported where a run of at least `RUN` of its words stands in the passage,
  at least `COVERAGE` of its different meaningful words do, and so do all of its numbers and
  negations: "returns 3" does not follow from a passage that says 4, nor "never" from one without.

This finds answers copied or nearly copied from a passage. It does not see paraphrase, so a right
answer may stay without a citation; that is the safe side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from luthier.core.records import Passage

SHORT = 3
RUN = 4
COVERAGE = 0.75

_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have if in into is it its of on or that the their "
        "then there these they this to was which will with you your",
    )
)
_NEGATIONS = frozenset(["cannot", "neither", "never", "no", "nor", "not", "without"])


def cite(answer: str, passages: Sequence[Passage]) -> tuple[str, ...]:
    """The ids of the passages that support an answer, in the order of the passages.

    Args:
        answer: What was answered.
        passages: What the answer could rest on; titles count as part of their text.

    Returns:
        No ids for an empty answer, or one of words without meaning alone.
    """
    words = _words(answer)
    meaningful = set(words) - _EMPTY_WORDS
    if not meaningful:
        return ()
    return tuple(p.id for p in passages if _supports(_words(f"{p.title}\n{p.shown}"), words))


def longest_run(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest run of words that stands in both."""
    best = 0
    before = [0] * (len(right) + 1)
    for word in left:
        row = [0] * (len(right) + 1)
        for i, other in enumerate(right):
            if word == other:
                row[i + 1] = before[i] + 1
        best = max(best, *row)
        before = row
    return best


def _supports(passage: Sequence[str], answer: Sequence[str]) -> bool:
    run = longest_run(answer, passage)
    if len(answer) <= SHORT:
        return run == len(answer)
    there, said = set(passage), set(answer)
    strict = {word for word in said if word in _NEGATIONS or word.isdigit()}
    meaningful = said - _EMPTY_WORDS
    covered = len(meaningful & there) / len(meaningful)
    return run >= RUN and covered >= COVERAGE and strict <= there


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
