"""The search for an adversarial text: the most important words first, the best substitute each.

D. Jin, Z. Jin, J. Zhou, P. Szolovits, *Is BERT really robust? TextFooler*, AAAI 2020, section 2,
algorithm 1: a word's importance is what its deletion takes from the right label (and gives to the
wrong one). J. Gao, J. Lanchantin, M. Soffa, Y. Qi, *DeepWordBug*, 2018, section III, is the same
search with misspellings in place of substitutes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.data.augment._pieces import in_case_of, pieces

Probabilities = npt.NDArray[np.floating[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Attack:
    """What came of attacking one text.

    Attributes:
        text: The text.
        correct: Whether the model was right about it before.
        found: A text that it is wrong about, or "".
        queries: Texts the model was asked about.
        words: Words of the text that might be altered.
        changed: Words altered in ``found``.
        exhausted: Whether the search ended because the queries were used up.
    """

    text: str
    correct: bool
    found: str
    queries: int
    words: int
    changed: int
    exhausted: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How far the search goes.

    Attributes:
        queries: Largest number of texts the model is asked about.
        changed: Largest share of the words altered, 0 to 1.
        similarity: Least similarity of an altered text to the first one.
    """

    queries: int
    changed: float
    similarity: float


class _Model:
    """The model under attack, which counts what it is asked and answers no more than allowed."""

    def __init__(self, ask: Callable[[Sequence[str]], Probabilities], limit: int) -> None:
        self._ask = ask
        self._limit = limit
        self.asked = 0

    @property
    def exhausted(self) -> bool:
        return self.asked >= self._limit

    def __call__(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of as many of the texts as the budget still allows."""
        chosen = list(texts[: self._limit - self.asked])
        self.asked += len(chosen)
        return self._ask(chosen) if chosen else np.zeros((0, 1))


def attack(
    text: str,
    right: int,
    probabilities: Callable[[Sequence[str]], Probabilities],
    options: Callable[[str], Sequence[str]],
    similarity: Callable[[str, Sequence[str]], Sequence[float]],
    limits: Limits,
    keep: Collection[str] = (),
) -> Attack:
    """Search for a text like the given one that the model gets wrong.

    Args:
        text: The text.
        right: Column of its label.
        probabilities: The model: shape (texts, labels).
        options: What may stand in a word's place.
        similarity: Of altered texts to the first one.
        limits: How far the search goes.
        keep: Words never altered, in lower case.
    """
    cut = pieces(text, keep)
    said = [piece.text for piece in cut]
    places = [i for i, piece in enumerate(cut) if piece.kind == "word"]
    model = _Model(probabilities, limits.queries)
    before = model([text])[0]
    correct = int(before.argmax()) == right
    most = math.ceil(limits.changed * len(places))
    found, changed, least = "", 0, float(before[right])
    for place in _by_importance(model, said, places, right, before) if correct else []:
        if changed == most or model.exhausted:
            break
        words = [in_case_of(said[place], word) for word in options(said[place])]
        texts = ["".join([*said[:place], w, *said[place + 1 :]]) for w in words]
        close = similarity(text, texts) if texts else []
        kept = [i for i, cosine in enumerate(close) if cosine >= limits.similarity]
        answers = model([texts[i] for i in kept])
        kept = kept[: len(answers)]
        fooled = [i for i, p in zip(kept, answers, strict=True) if int(p.argmax()) != right]
        if fooled:
            found, changed = texts[max(fooled, key=lambda i: close[i])], changed + 1
            break
        if kept and float(answers[:, right].min()) < least:
            best = int(answers[:, right].argmin())
            least = float(answers[best, right])
            said[place] = words[kept[best]]
            changed += 1
    return Attack(
        text, correct, found, model.asked, len(places), changed if found else 0,
        correct and not found and model.exhausted,
    )  # fmt: skip


def _by_importance(
    model: _Model, said: Sequence[str], places: Sequence[int], right: int, before: Probabilities
) -> list[int]:
    """Places of words, those whose deletion hurts most first; equation 2 of TextFooler."""
    answers = model(["".join([*said[:i], *said[i + 1 :]]) for i in places])
    scored = []
    for place, p in zip(places, answers, strict=False):  # the budget may have cut the answers off
        score = float(before[right] - p[right])
        wrong = int(p.argmax())
        if wrong != right:
            score += float(p[wrong] - before[wrong])
        scored.append((-score, place))
    return [place for _, place in sorted(scored)]
