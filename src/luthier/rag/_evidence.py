"""How well a passage bears out one claim, by its words.

The best stretch of a passage (one sentence or two neighbours, read with the title) is looked for.
Strict things must agree whatever else does: numbers, names, and whether something is denied. The
rest is a share: of the claim's meaningful words that stand there, and of those that stand there in
the claim's order, since "Rome beat Carthage" has all the words of its opposite.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from luthier.core.records import Passage
from luthier.rag._sentences import sentences
from luthier.rag._terms import Term, meant, numbers, stems, terms

SHORT = 4
"""Claims of so few meaningful words are read with their question."""
NEAR = 0.25
"""A short answer's place may hold this much less of the question than the best place does."""
_FLANK = 2  # a denial counts so many words around the shared ones


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What a passage says to a claim.

    Attributes:
        score: 0 to 1; 0 where something strict disagrees.
        start: Offset of the stretch in the passage's shown text.
        end: Offset behind it.
        why: What disagrees, in words; "" if nothing.
    """

    score: float
    start: int = 0
    end: int = 0
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Stretch:
    """A sentence of a passage or two neighbours, with its words."""

    start: int
    end: int
    words: tuple[Term, ...]
    stems: frozenset[str]
    numbers: frozenset[str]


def stretches(passage: Passage) -> list[Stretch]:
    """The sentences of what is shown of a passage, and each with the next one."""
    text = passage.shown
    spans = sentences(text)
    pairs = [(a, d) for (a, _), (_, d) in itertools.pairwise(spans)]
    titled = stems(passage.title)
    titles = numbers(passage.title)
    return [
        Stretch(
            a, b, terms(text[a:b]), stems(text[a:b]) | titled, numbers(text[a:b]) | titles
        )
        for a, b in [*spans, *pairs]
    ]  # fmt: skip


def evidence(claim: str, places: Sequence[Stretch], question: str = "") -> Evidence:
    """The best that a passage says to a claim.

    Args:
        claim: A sentence, or a short answer.
        places: The passage's, from `stretches`.
        question: What the claim answers, if it answers something; short answers are held against
            it, for a name alone stands in many places and answers in few.
    """
    content = meant(claim)
    if not places or not content:
        return Evidence(0.0, why="nothing to compare")
    if len(content) <= SHORT and question:
        return _short(claim, question, places)
    return max((_against(claim, content, place) for place in places), key=lambda e: e.score)


def _against(claim: str, content: Sequence[Term], place: Stretch) -> Evidence:
    if why := _strict(claim, content, place):
        return Evidence(0.0, place.start, place.end, why)
    own = [t.stem for t in content]
    different = set(own)
    covered = len(different & place.stems) / len(different)
    there = [t.stem for t in place.words if t.stem in different]
    ordered = _common(own, there) / len(own)
    return Evidence((covered + ordered) / 2, place.start, place.end)


def _strict(claim: str, content: Sequence[Term], place: Stretch) -> str:
    """What must agree and does not."""
    lacking = sorted(numbers(claim) - place.numbers)
    if lacking:
        return f"the number {lacking[0]} is not there"
    names = [t for t in content if t.name and t.stem not in place.stems]
    if names:
        return f"the name {claim[names[0].start : names[0].end]} is not there"
    if _denies(terms(claim)) != _denies(_shared(place.words, {t.stem for t in content})):
        return "one denies what the other says"
    return ""


def _shared(words: Sequence[Term], own: set[str]) -> Sequence[Term]:
    """The stretch's words from the first the claim has to the last, and a little around them."""
    at = [i for i, t in enumerate(words) if not t.empty and t.stem in own]
    return words[max(0, at[0] - _FLANK) : at[-1] + 1 + _FLANK] if at else ()


def _denies(words: Sequence[Term]) -> bool:
    return sum(t.negation for t in words) % 2 == 1


def _short(claim: str, question: str, places: Sequence[Stretch]) -> Evidence:
    """A short answer must stand there as one run, where the question's own words stand."""
    answer = [t.stem for t in terms(claim) if not t.empty or t.negation]
    asked = stems(question) - set(answer)
    holding = [p for p in places if _has_run(answer, p.words)]
    if not holding:
        why = _strict(claim, meant(claim), max(places, key=lambda p: len(asked & p.stems)))
        return Evidence(0.0, why=why or "these words do not stand there together")
    if not asked:
        return Evidence(1.0, holding[0].start, holding[0].end)
    share = {id(p): len(asked & p.stems) / len(asked) for p in places}
    best = max(holding, key=lambda p: share[id(p)])
    if share[id(best)] < max(share.values()) - NEAR:
        return Evidence(0.0, best.start, best.end, "it stands where something else is told")
    return Evidence(0.5 + share[id(best)] / 2, best.start, best.end)


def _has_run(answer: Sequence[str], words: Sequence[Term]) -> bool:
    there = [t.stem for t in words if not t.empty or t.negation]
    size = len(answer)
    return any(there[i : i + size] == list(answer) for i in range(len(there) - size + 1))


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    before = [0] * (len(right) + 1)
    for word in left:
        row = [0]
        for i, other in enumerate(right):
            row.append(before[i] + 1 if word == other else max(before[i + 1], row[i]))
        before = row
    return before[-1]
