"""Choose the words of a sentence that answer a question.

Candidates are the stretches of the kind that is asked for, and the runs of meaningful words, also
joined over small words between them. Each has some signs (`NAMES`), and a weighted sum decides.
The weights were fitted by ``benchmarks/extractive.py --fit`` to the token F1 of the chosen stretch,
on every second paragraph of XQuAD-en; its figures are of the others.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from luthier.rag.reading.asked import kind_of, of_kind
from luthier.rag.reading.spans import Found
from luthier.rag.reading.terms import Term, meant, stem_of, stems, terms

SENTENCES = 2
"""Stretches are looked for in so many of the best sentences."""
WEIGHTS: Mapping[str, float] = {
    "distance": -1.08,
    "weighted distance": -1.52,
    "of the kind": 1.89,
    "is the kind": 8.55,
    "name": 2.93,
    "long": -1.28,
    "new words": 2.23,
    "behind a small word": 0.95,
    "rank": -3.39,
    "holding": 4.20,
    "quoted": 5.34,
    "named thing": 1.47,
    "near": 1.63,
}
NAMES = tuple(WEIGHTS)
_LONG = 5
_NEAR = 25
_NOWHERE = 100.0
_JOINT = re.compile(
    r"\s*(?:of the|of|the|and|to|in|a|an|or|for|&|,|'s|’s|-|/)?\s*(?:the|a)?\s*", re.IGNORECASE
)
_ARTICLE = re.compile(r"\b(?:the|an?)\s$", re.IGNORECASE)
_SMALL = re.compile(
    r"\b(?:by|in|of|called|named|as|is|was|were|are|to|at|from|with)\s(?:the\s|an?\s)?$"
)
_HEAD = re.compile(r"\b(?:what|which)\s+(?:\w+\s+)?(\w+)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of a sentence.

    Attributes:
        found: The sentence.
        start: Offset into the sentence.
        end: Offset behind it.
        signs: In the order of `NAMES`.
    """

    found: Found
    start: int
    end: int
    signs: tuple[float, ...]

    @property
    def text(self) -> str:
        """The stretch."""
        return self.found.text[self.start : self.end]

    @property
    def score(self) -> float:
        """The weighted sum of its signs."""
        return sum(w * s for w, s in zip(WEIGHTS.values(), self.signs, strict=True))


def stretch(
    question: str, rows: Sequence[Found], weight_of: Mapping[str, float]
) -> Candidate | None:
    """The stretch that answers best; None where nothing but the question's own words is there.

    Args:
        question: What is asked.
        rows: Sentences, best first.
        weight_of: Of the question's words (`luthier.rag.reading.spans.weights`).
    """
    return max(candidates(question, rows, weight_of), key=lambda c: c.score, default=None)


def candidates(
    question: str, rows: Sequence[Found], weight_of: Mapping[str, float]
) -> Iterator[Candidate]:
    """All stretches that could answer, with their signs."""
    kind, asked = kind_of(question), stems(question)
    head = _HEAD.search(question)
    named = stem_of(head[1].lower()) if head else ""
    for rank, found in enumerate(rows[:SENTENCES]):
        text = found.text
        exact = set() if kind in ("thing", "reason") else set(of_kind(text, kind))
        spots = [t for t in terms(text) if t.stem in asked]
        for start, end in _grown(text, {*exact, *of_kind(text, "thing")}):
            words = meant(text[start:end])
            if any(t.stem not in asked for t in words):
                signs = _signs(found, start, end, words, spots, weight_of, exact)
                more = {"rank": float(rank), "named thing": float(_holds(words, named))}
                told = {**signs, **more}
                yield Candidate(found, start, end, tuple(told[name] for name in NAMES))


def _signs(
    found: Found,
    start: int,
    end: int,
    words: Sequence[Term],
    spots: Sequence[Term],
    weight_of: Mapping[str, float],
    exact: set[tuple[int, int]],
) -> dict[str, float]:
    text = found.text
    gaps = [
        (max(t.start - end, start - t.end, 0), weight_of.get(t.stem, 0.1))
        for t in spots
        if not start <= t.start < end
    ]
    near = sorted(gap for gap, _ in gaps)[:3]
    weighed = sorted((gap + 1) / weight for gap, weight in gaps)[:2]
    own = {t.stem for t in spots}
    return {
        "distance": math.log1p(sum(near) / len(near) if near else _NOWHERE),
        "weighted distance": math.log1p(sum(weighed) / len(weighed) if weighed else _NOWHERE),
        "of the kind": float(any(a < end and start < b for a, b in exact)),
        "is the kind": float((start, end) in exact),
        "name": float(any(t.name for t in words)),
        "long": float(len(terms(text[start:end])) > _LONG),
        "new words": sum(t.stem not in own for t in words) / len(words),
        "behind a small word": float(bool(_SMALL.search(text[:start]))),
        "holding": found.holding,
        "quoted": float(start > 0 and text[start - 1] in "\"“'‘"),
        "near": float(any(0 <= start - t.end < _NEAR for t in spots)),
    }


def _holds(words: Sequence[Term], stem: str) -> bool:
    return bool(stem) and any(t.stem == stem for t in words)


def _grown(text: str, spans: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, neighbours joined over small words, and each with its article."""
    rows = sorted(spans)
    grown = set(rows)
    grown |= {
        (a, d)
        for a, b in rows
        for c, d in rows
        if b < c <= b + len(" of the ") and _JOINT.fullmatch(text, b, c)
    }
    with_article = {
        (found.start(), b) for a, b in grown if (found := _ARTICLE.search(text[:a])) is not None
    }
    return sorted(grown | with_article)
