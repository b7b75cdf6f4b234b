"""Texts of the domain are told from others."""

from __future__ import annotations

import random

import numpy as np
import pytest

from luthier.core.errors import ModelError
from luthier.data.readiness.domain import cross_entropy_difference

DOMAIN = ["luthier", "carves", "the", "arch", "of", "a", "plate", "with", "gouge", "and", "plane"]
GENERAL = ["minister", "told", "the", "press", "that", "a", "vote", "on", "budget", "was", "near"]


def texts(words: list[str], seed: int, count: int = 60) -> list[str]:
    choose = random.Random(seed)
    return [" ".join(choose.choices(words, k=12)) for _ in range(count)]


def test_the_domain_lies_below_zero() -> None:
    judged = [*texts(DOMAIN, 1), *texts(GENERAL, 2)]
    found = cross_entropy_difference(judged, texts(DOMAIN, 3), texts(GENERAL, 4))
    assert found[:60].max() < 0 < found[60:].min()


def test_a_text_without_words_is_neither() -> None:
    found = cross_entropy_difference(["...", ""], texts(DOMAIN, 3), texts(GENERAL, 4))
    assert np.array_equal(found, [0, 0])


def test_the_same_texts_on_both_sides_decide_nothing() -> None:
    same = texts(DOMAIN, 3)
    assert np.abs(cross_entropy_difference(texts(DOMAIN, 5), same, same)).max() < 1e-9


def test_nothing_to_learn_from() -> None:
    with pytest.raises(ModelError):
        cross_entropy_difference(["a"], [], [])
