"""Find the sentence of some passages that answers a question.

Sentences are weighed by the question's words they hold, rare words more: how rare is counted among
the passages' own sentences, so no statistics of a corpus are needed. What stands in the sentence
before counts a little (the subject is often named there), and so does holding something of the
kind that is asked for (`luthier.rag.reading.asked`). An encoder, where there
is one, adds the cosine.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from luthier.core.records import Passage
from luthier.rag.reading.asked import Kind, kind_of, of_kind
from luthier.rag.reading.sentences import sentences
from luthier.rag.reading.terms import meant, stems

Similarity = Callable[[str, Sequence[str]], Sequence[float]]
"""Cosines of a question with some texts."""

BEFORE = 0.35  # what a word is worth that stands in the sentence before, or in the title
KIND = 0.15  # what holding the kind that is asked for adds
MEANING = 1.0  # weight of the cosine
PLACE = 0.05  # what each rank of the passage takes away


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A sentence of a passage.

    Attributes:
        passage: Which.
        start: Offset of the sentence in what is shown of the passage.
        end: Offset behind it.
        score: Higher is better; `holding`, the kind, and the cosine with an encoder, together.
        holding: Share of the question's words that it holds, by their weights, 0 to 1.
        kind: Whether it holds something of the kind that is asked for.
    """

    passage: Passage
    start: int
    end: int
    score: float
    holding: float
    kind: bool

    @property
    def text(self) -> str:
        """The sentence."""
        return self.passage.shown[self.start : self.end]


def weights(question: str, passages: Sequence[Passage]) -> dict[str, float]:
    """How much each meaningful word of a question counts: the fewer sentences hold it, the more."""
    held: Counter[str] = Counter()
    total = 0
    for passage in passages:
        for start, end in sentences(passage.shown):
            held.update(stems(passage.shown[start:end]))
            total += 1
    asked = {t.stem for t in meant(question)}
    return {stem: math.log(1 + (total + 1) / (held[stem] + 0.5)) for stem in asked}


def find(
    question: str,
    passages: Sequence[Passage],
    similar: Similarity | None = None,
    *,
    weight_of: Mapping[str, float] | None = None,
) -> list[Found]:
    """The sentences of some passages, best first.

    Args:
        question: What is asked.
        passages: Best first.
        similar: An encoder's cosines, or none.
        weight_of: Of the question's words; by default `weights`.
    """
    weight = weights(question, passages) if weight_of is None else weight_of
    whole = sum(weight.values())
    kind = kind_of(question)
    rows: list[Found] = []
    for rank, passage in enumerate(passages):
        text = passage.shown
        before = stems(passage.title)
        for start, end in sentences(text):
            own = stems(text[start:end])
            got = sum(w if s in own else BEFORE * w for s, w in weight.items() if s in own | before)
            holding = got / whole if whole else 0.0
            has = kind not in ("thing", "reason") and _new(question, text[start:end], kind)
            score = holding + KIND * has - PLACE * rank
            rows.append(Found(passage, start, end, score, holding, has))
            before = own | stems(passage.title)
    if similar is not None and rows:
        cosines = similar(question, [row.text for row in rows])
        rows = [
            dataclasses.replace(row, score=row.score + MEANING * float(c))
            for row, c in zip(rows, cosines, strict=True)
        ]
    return sorted(rows, key=lambda row: -row.score)


def _new(question: str, sentence: str, kind: Kind) -> bool:
    """Whether a sentence holds something of a kind that the question does not name itself."""
    asked = stems(question)
    return any(stems(sentence[a:b]) - asked for a, b in of_kind(sentence, kind))
