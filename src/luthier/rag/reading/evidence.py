"""How well a passage bears out one claim, by its words.

The best stretch of a passage (one sentence or two neighbours, read with the title) is looked for.
Strict things must agree whatever else does: numbers, names, and whether something is denied. The
rest is a share: of the claim's meaningful words that stand there, and of those that stand there in
the claim's order, since "Rome beat Carthage" has all the words of its opposite.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence

from luthier.core.records import Passage
from luthier.rag.reading.asked import Kind, kind_of, of_kind
from luthier.rag.reading.sentences import sentences
from luthier.rag.reading.spans import Found
from luthier.rag.reading.terms import Term, meant, numbers, stems, terms

SHORT = 4
"""Claims of so few meaningful words are read with their question."""
FAR = 0.375
"""A short answer counts for nothing where its sentence holds this much less of the question than
the best sentence does."""
_FLANK = 2  # a denial counts so many words around the shared ones
_BESIDE = 3  # a name must have one of its neighbours so near
_TOLD: tuple[Kind, ...] = ("person", "time", "count", "money", "share", "place")


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


def is_short(claim: str) -> bool:
    """Whether a claim is a short answer, which means little without its question."""
    return len(meant(claim)) <= SHORT


def evidence(claim: str, places: Sequence[Stretch]) -> Evidence:
    """The best that a passage says to a claim.

    Args:
        claim: A sentence.
        places: The passage's, from `stretches`; its title counts as part of each.
    """
    content = meant(claim)
    if not places or not content:
        return Evidence(0.0, why="nothing to compare")
    return max((_against(claim, content, place) for place in places), key=lambda e: e.score)


def short_evidence(answer: str, question: str, rows: Sequence[Found], passage: Passage) -> Evidence:
    """What a passage says to a short answer.

    It must stand there as one run, be of the kind that is asked for, and stand in a sentence that
    holds about as much of the question as the best sentence of all passages: a name alone stands
    in many places and answers in few.

    Args:
        answer: A name, a number, a few words.
        question: What it answers.
        rows: The sentences of all passages, from `luthier.rag.reading.spans.find`.
        passage: Which passage is asked.
    """
    own = [t.stem for t in terms(answer) if not t.empty or t.negation]
    holding = [r for r in rows if r.passage is passage and _has_run(own, terms(r.text))]
    if not holding:
        return Evidence(0.0, why="these words do not stand there together")
    best = max(holding, key=lambda r: r.holding)
    kind = kind_of(question)
    if kind in _TOLD and not any(_is_of(kind, own, r.text) for r in holding):
        return Evidence(0.0, best.start, best.end, "it is not of the kind that is asked for")
    lacking = max(r.holding for r in rows) - best.holding
    why = "it stands where something else is told" if lacking >= FAR else ""
    return Evidence(max(0.0, 1 - lacking / FAR), best.start, best.end, why)


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
    said = Counter(t.stem for t in terms(claim) if t.number)
    lacking = sorted(set(said) - place.numbers)
    if lacking:
        return f"the number {lacking[0]} is not there"
    there = Counter(t.stem for t in place.words if t.number)
    often = sorted(n for n, count in said.items() if count > max(1, there[n]))
    if often:  # "Ann gets 90, and Bob 90" of "Ann gets 90, and Bob 12"
        return f"the number {often[0]} is not there so often"
    names = [t for t in content if t.name and t.stem not in place.stems]
    if names:
        return f"the name {claim[names[0].start : names[0].end]} is not there"
    if _denies(terms(claim)) != _denies(_shared(place.words, {t.stem for t in content})):
        return "one denies what the other says"
    adrift = _adrift(content, place)
    if adrift is not None:
        return f"{claim[adrift.start : adrift.end]} stands there with something else"
    return ""


def _adrift(content: Sequence[Term], place: Stretch) -> Term | None:
    """A name of the claim that has none of its neighbours beside it there."""
    there = [t.stem for t in place.words if not t.empty]
    for i, term in enumerate(content):
        if not term.name or term.stem not in there:
            continue
        near = {t.stem for t in content[max(0, i - 2) : i + 3]} - {term.stem}
        at = [p for p, stem in enumerate(there) if stem == term.stem]
        if near and not any(near & set(there[max(0, p - _BESIDE) : p + _BESIDE + 1]) for p in at):
            return term
    return None


def _shared(words: Sequence[Term], own: set[str]) -> Sequence[Term]:
    """The stretch's words from the first the claim has to the last, and a little around them."""
    at = [i for i, t in enumerate(words) if not t.empty and t.stem in own]
    return words[max(0, at[0] - _FLANK) : at[-1] + 1 + _FLANK] if at else ()


def _denies(words: Sequence[Term]) -> bool:
    return sum(t.negation for t in words) % 2 == 1


def _is_of(kind: Kind, answer: Sequence[str], text: str) -> bool:
    """Whether a stretch of the text that is of a kind shares words with the answer."""
    return any({t.stem for t in terms(text[a:b])} & set(answer) for a, b in of_kind(text, kind))


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
