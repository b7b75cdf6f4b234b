from __future__ import annotations

import numpy as np
import pytest

from luthier.core.errors import ConfigError
from luthier.data.annotate.query import Strategy, choose, uncertainty, usable

CHANCES = np.array([[0.9, 0.1, 0.0], [0.5, 0.49, 0.01], [0.4, 0.3, 0.3], [0.6, 0.2, 0.2]])
IDS = ("a", "b", "c", "d")


def _clusters(each: int, centres: int, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    found = (
        np.repeat(np.eye(centres, 16), each, axis=0) + chance.normal(size=(each * centres, 16)) / 30
    )
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("confidence", [2, 1, 3, 0]), ("margin", [1, 2, 3, 0]), ("entropy", [2, 3, 1, 0])],
)
def test_the_uncertain_come_first(strategy: Strategy, expected: list[int]) -> None:
    assert choose(strategy, 4, IDS, seed=0, probabilities=CHANCES) == expected


@pytest.mark.parametrize("strategy", ["confidence", "margin", "entropy"])
def test_no_prediction_is_most_uncertain(strategy: Strategy) -> None:
    known = np.vstack([CHANCES, np.zeros(3)])
    assert choose(strategy, 1, [*IDS, "e"], seed=0, probabilities=known) == [4]


def test_margin_of_two_labels() -> None:
    assert uncertainty("margin", np.array([[0.7, 0.3]])) == pytest.approx([0.6])


@pytest.mark.parametrize("strategy", ["k-center", "k-means"])
def test_the_diverse_meet_every_cluster(strategy: Strategy) -> None:
    vectors = _clusters(20, 8)
    ids = [f"r{i}" for i in range(160)]
    found = choose(strategy, 8, ids, seed=0, vectors=vectors)
    assert len({i // 20 for i in found}) == 8
    assert choose(strategy, 8, ids, seed=0, vectors=vectors) == found


def test_k_center_keeps_away_from_what_is_labelled() -> None:
    vectors = _clusters(5, 4)
    ids = [f"r{i}" for i in range(20)]
    found = choose("k-center", 2, ids, seed=0, vectors=vectors, labelled=vectors[:10])
    assert {i // 5 for i in found} == {2, 3}


@pytest.mark.parametrize("strategy", ["random", "margin", "k-center"])
def test_the_order_of_the_rows_does_not_matter(strategy: Strategy) -> None:
    ids = [f"r{i}" for i in range(30)]
    vectors, chances = _clusters(10, 3), np.full((30, 2), 0.5)
    turned = list(reversed(range(30)))
    one = choose(strategy, 5, ids, seed=4, probabilities=chances, vectors=vectors)
    two = choose(strategy, 5, ids[::-1], seed=4, probabilities=chances, vectors=vectors[turned])
    assert [ids[i] for i in one] == [ids[::-1][i] for i in two]
    assert choose(strategy, 5, ids, seed=5, probabilities=chances, vectors=vectors) != one


def test_rows_that_are_all_alike_are_each_chosen_once() -> None:
    vectors = np.ones((6, 4), dtype=np.float32) / 2
    for strategy in ("k-center", "k-means"):
        assert sorted(choose(strategy, 6, [*"abcdef"], seed=0, vectors=vectors)) == [*range(6)]


def test_what_a_strategy_lacks_is_told_or_made_do_without() -> None:
    for strategy in ("margin", "k-center"):
        with pytest.raises(ConfigError):
            choose(strategy, 1, IDS, seed=0)
    assert choose("margin", 0, IDS, seed=0) == []
    assert usable("margin", predictions=False, vectors=True) == "k-center"
    assert usable("margin", predictions=False, vectors=False) == "random"
    assert usable("k-means", predictions=True, vectors=False) == "random"
    assert usable("entropy", predictions=True, vectors=False) == "entropy"
    assert usable("random", predictions=True, vectors=True) == "random"
