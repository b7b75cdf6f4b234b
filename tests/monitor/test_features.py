"""What is measured of a question."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.monitor._features import measure


def values(question: str, reference: tuple[str, ...] = ("a b c",)) -> dict[str, float]:
    return {name: float(now[0]) for name, (_, now) in measure(reference, [question]).items()}


def test_a_question_by_hand() -> None:
    found = values("Why 12 É?!")
    assert found["length in words"] == 3
    assert found["letters per word"] == 2
    assert found["share of punctuation"] == pytest.approx(0.2)
    assert found["share of digits"] == pytest.approx(0.2)
    assert found["share of capitals"] == pytest.approx(0.2)
    assert found["share of letters not ASCII"] == pytest.approx(0.1)
    assert found["share of words unseen"] == 1.0


def test_an_empty_question_is_measured() -> None:
    assert set(values("").values()) == {0.0}


def test_unseen_words_of_both_sides_are_counted_alike() -> None:
    reference = ["what is wrap", "what is fill"]
    then, now = measure(reference, ["What is dedent", "what is wrap"])["share of words unseen"]
    assert then == pytest.approx([1 / 3, 1 / 3])  # wrap and fill: each in one question only
    assert now == pytest.approx([1 / 3, 0])


def test_two_halves_of_one_source_have_as_many_unseen_words() -> None:
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(400)]
    texts = [" ".join(random.choice(words, 8)) for _ in range(400)]
    then, now = measure(texts[:200], texts[200:])["share of words unseen"]
    assert then.mean() > 0.01
    assert then.mean() == pytest.approx(now.mean(), abs=0.01)
