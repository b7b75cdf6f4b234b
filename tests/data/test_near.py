"""The search for similar pairs finds what the definition says, and nothing else."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from luthier.data import _near
from luthier.data._near import near_pairs
from luthier.data.alike import words


def _pairs(text: str) -> set[tuple[str, ...]]:
    said = words(text)
    return set(itertools.pairwise(said)) or ({(said[0],)} if said else set())


def _defined(train: list[str], test: list[str], least: float) -> dict[tuple[int, int], float]:
    sets = [_pairs(text) for text in (*train, *test)]
    counts = Counter(pair for one in sets for pair in one)
    weight = {pair: math.log1p(len(sets) / n) for pair, n in counts.items()}
    found = {}
    for item, there in enumerate(sets[len(train) :]):
        for row, here in enumerate(sets[: len(train)]):
            union = sum(weight[pair] for pair in here | there)
            similarity = sum(weight[pair] for pair in here & there) / union if union else 0.0
            if similarity >= least:
                found[item, row] = similarity
    return found


TEXTS = st.lists(
    st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), max_size=10
)  # few words, so that much is alike


@given(train=TEXTS, test=TEXTS, least=st.sampled_from([0.35, 0.6, 0.8]))
@settings(max_examples=150, deadline=None)
def test_against_the_definition(train: list[str], test: list[str], least: float) -> None:
    wanted = _defined(train, test, least)
    found = {(item, row): like for item, row, like in near_pairs(train, test, least)}
    unsure = {pair for pair, like in wanted.items() if like < least + 1e-9}
    assert set(found) | unsure == set(wanted) | (set(found) & unsure)
    assert all(found[pair] == pytest.approx(wanted[pair]) for pair in found)


def test_texts_in_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    train, test = [], []
    for _ in range(120):
        text = draw.choices([f"w{i}" for i in range(60)], k=15)
        train.append(" ".join(text))
        text[draw.randrange(15)] = draw.choice(["w1", "w2", "w3"])
        test.append(" ".join(text))
    wanted = _defined(train, test, 0.8)
    assert 5 < len(wanted) < 120
    monkeypatch.setattr(_near, "BATCH_CHARACTERS", 500)
    assert {(item, row) for item, row, _ in near_pairs(iter(train), iter(test), 0.8)} == set(wanted)
