"""How an answer used its passages: relevance, attribution, utilisation, completeness, faithfulness.

No model judges, so the same answer gets the same figures every time. The definitions are those of
TRACe (Friel, Belyi and Sanyal 2024, "RAGBench", arXiv:2407.11005), which measures stretches of the
prompt's passages: R, those that help to answer the question, and U, those that the answer used.

- context relevance: R as a share of the passages
- utilisation: U as a share of the passages (Galileo's "chunk utilization" is that of one passage)
- completeness: the share of R that is in U
- attribution: the share of passages with any of U (Galileo's "chunk attribution", of one passage
  yes or no)
- faithfulness: the share of the answer's sentences that a passage bears out (RAGAS: Es, James,
  Espinosa-Anke and Schockaert 2023, arXiv:2309.15217, where the unit is a statement)

TRACe asks a language model which stretches are in R and U. Here they are whole sentences, and words
decide: U are the sentences that bear out a sentence of the answer, by the rules that also check
citations (`luthier.rag.support`: numbers, names and denials must agree). R are the sentences that
bear out the reference answer; without a reference, those with half or more of the question's words,
each weighed by how few sentences have it. So R without a reference is rough: a sentence may answer
in words that the question has not. Give an encoder to count those whose meaning is near, too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from luthier.core.records import Passage
from luthier.rag.reading.evidence import evidence, is_short, stretches
from luthier.rag.reading.sentences import sentences
from luthier.rag.reading.terms import stems
from luthier.rag.support import Judge, SupportSpec, check

Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Vectors of length 1 of some texts."""
Spans = frozenset[tuple[int, int]]
HELPS = 0.5
"""Share of the question's words, or cosine, from which a sentence helps to answer it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """An answer with what it was made from.

    Attributes:
        question: What was asked.
        answer: What was said.
        passages: Those in the prompt, in order.
        reference: The right answer, or "" if it is not known.
    """

    question: str
    answer: str
    passages: tuple[Passage, ...]
    reference: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """Figures of one answer, 0 to 1, higher is better except where said.

    Attributes:
        context_relevance: None without passages.
        utilisation: Neither high nor low is good by itself. None without passages.
        completeness: None where no sentence of the passages helps.
        attribution: None without passages.
        faithfulness: None where the answer claims nothing, or without passages.
        attributed: Of each passage, whether the answer used it.
        utilised: Of each passage, the share that it used.
    """

    context_relevance: float | None
    utilisation: float | None
    completeness: float | None
    attribution: float | None
    faithfulness: float | None
    attributed: tuple[bool, ...] = ()
    utilised: tuple[float, ...] = ()

    def figures(self) -> dict[str, float | None]:
        """By name, those of the whole answer."""
        names = ("context_relevance", "utilisation", "completeness", "attribution", "faithfulness")
        return {name: getattr(self, name) for name in names}


def use(one: Answered, *, encode: Encode | None = None, judge: Judge | None = None) -> Use:
    """Measure one answer.

    Args:
        one: See `Answered`.
        encode: A sentence encoder; without it words alone decide what helps.
        judge: A second opinion on whether a passage bears a sentence out.
    """
    passages = [p for p in one.passages if p.shown.strip()]
    if not passages:
        return Use(None, None, None, None, None)
    used, faithfulness = _borne_out(one.answer, one.question, passages, judge)
    if one.reference.strip():
        helps, _ = _borne_out(one.reference, one.question, passages, judge)
    else:
        helps = _helping(one.question, passages, encode)
    both = [a & b for a, b in zip(used, helps, strict=True)]
    whole = sum(_length(_all(passage)) for passage in passages)
    relevant = sum(map(_length, helps))
    shares = tuple(
        _length(u) / max(1, _length(_all(p))) for u, p in zip(used, passages, strict=True)
    )
    return Use(
        context_relevance=relevant / whole,
        utilisation=sum(map(_length, used)) / whole,
        completeness=sum(map(_length, both)) / relevant if relevant else None,
        attribution=sum(map(bool, used)) / len(passages),
        faithfulness=faithfulness,
        attributed=tuple(map(bool, used)),
        utilised=shares,
    )


def means(uses: Sequence[Use]) -> dict[str, tuple[float | None, int]]:
    """Mean of each figure over those answers that have it, and how many have."""
    made: dict[str, tuple[float | None, int]] = {}
    for name in Use(None, None, None, None, None).figures():
        values = [value for one in uses if (value := one.figures()[name]) is not None]
        made[name] = (math.fsum(values) / len(values) if values else None, len(values))
    return made


def _borne_out(
    text: str, question: str, passages: Sequence[Passage], judge: Judge | None
) -> tuple[list[Spans], float | None]:
    """The sentences of each passage that bear out a text, and the share of it that is borne out."""
    _, told, _ = check(text, passages, SupportSpec(unsupported="keep"), question, judge=judge)
    claims = [one for one in told if one.supported is not None]
    found: list[set[tuple[int, int]]] = [set() for _ in passages]
    for one in claims:
        if one.supported:
            for index, passage in enumerate(passages):
                if passage.id in one.passages:
                    found[index] |= _stretch(one.said.strip(), passage)
    share = sum(bool(one.supported) for one in claims) / len(claims) if claims else None
    return [frozenset(spans) for spans in found], share


def _stretch(claim: str, passage: Passage) -> set[tuple[int, int]]:
    """The sentences of a passage that say what it bears out."""
    own, shown = stems(claim), passage.shown
    if is_short(claim):  # a name or number: where it stands
        holding = {(a, b) for a, b in sentences(shown) if own <= stems(shown[a:b])}
        if holding:
            return holding
    best = evidence(claim, stretches(passage))
    inside = {(a, b) for a, b in sentences(shown) if a >= best.start and b <= best.end}
    if best.score > 0 and inside:
        return inside
    return {max(sentences(shown), key=lambda s: len(own & stems(shown[s[0] : s[1]])))}


def _helping(question: str, passages: Sequence[Passage], encode: Encode | None) -> list[Spans]:
    """The sentences that help to answer, by their words, or by their meaning with an encoder."""
    places = [(i, span) for i, p in enumerate(passages) for span in sentences(p.shown)]
    texts = [passages[i].shown[a:b] for i, (a, b) in places]
    asked = stems(question)
    words = [stems(t) | stems(passages[i].title) for t, (i, _) in zip(texts, places, strict=True)]
    weights = {w: math.log1p(len(words) / (1 + sum(w in one for one in words))) for w in asked}
    whole = sum(weights.values())
    near = np.zeros(len(texts))
    if encode is not None and question.strip():
        vectors = encode([question, *texts])
        near = vectors[1:] @ vectors[0]
    found: list[set[tuple[int, int]]] = [set() for _ in passages]
    for (index, span), own, cosine in zip(places, words, near.tolist(), strict=True):
        share = sum(weights[w] for w in asked & own) / whole if whole else 0.0
        if max(share, cosine) >= HELPS:
            found[index].add(span)
    return [frozenset(spans) for spans in found]


def _all(passage: Passage) -> Spans:
    return frozenset(sentences(passage.shown))


def _length(spans: Spans) -> int:
    return sum(end - start for start, end in spans)
