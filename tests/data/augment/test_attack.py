"""The search for a text that a model gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.data.augment._attack import Limits, attack

WIDE = Limits(queries=1000, changed=1.0, similarity=-1.0)
SYNONYMS = {"good": ["fine", "nice"], "film": ["movie"], "great": ["grand"]}


class Sentiment:
    """Column 1 is likelier the more of its words a text has; "nice" is worth a half."""

    worth = {"good": 2.0, "great": 1.0, "nice": 0.5}

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Any:
        self.asked += texts
        odds = [sum(self.worth.get(w, 0) for w in t.lower().split()) - 0.7 for t in texts]
        p = 1 / (1 + np.exp(-np.array(odds)))
        return np.column_stack([1 - p, p])


def _alike(text: str, others: Sequence[str]) -> list[float]:
    old = text.split()
    return [sum(a == b for a, b in zip(old, o.split(), strict=True)) / len(old) for o in others]


def _attack(text: str, limits: Limits = WIDE, model: Any = None, **more: Any) -> Any:
    options = lambda word: SYNONYMS.get(word.lower(), [])  # noqa: E731
    return attack(text, 1, model or Sentiment(), options, _alike, limits, **more)


def test_the_most_important_word_goes_first() -> None:
    found = _attack("Good film it is")
    assert found.found == "Fine film it is"
    assert (found.correct, found.changed, found.words, found.exhausted) == (True, 1, 4, False)
    assert found.queries == 1 + 4 + 2  # the text, each word deleted, two substitutes


def test_changes_add_up_until_the_label_turns() -> None:
    found = _attack("a great good film")
    assert found.found == "a grand fine film"
    assert found.changed == 2


def test_a_wrong_answer_needs_no_attack() -> None:
    model = Sentiment()
    found = _attack("the film", model=model)
    assert (found.correct, found.found, found.queries) == (False, "", 1)
    assert model.asked == ["the film"]


def test_limits_hold() -> None:
    one_word = Limits(1000, 0.25, -1.0)
    assert not _attack("a great good film", one_word).found
    same = Limits(1000, 1.0, 0.9)
    assert not _attack("the film is good", same).found
    model = Sentiment()
    short = _attack("a great good film", Limits(6, 1.0, -1.0), model)
    assert (short.found, short.queries, short.exhausted) == ("", 6, True)
    assert len(model.asked) == 6


def test_kept_words_stay() -> None:
    assert not _attack("the film is `good`").found
    assert not _attack("the film is good", keep={"good"}).found
