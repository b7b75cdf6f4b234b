"""Score lists become one ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from luthier.rag.ranking.fusion import Fusion, Kind, Leg, fused

SCORES = st.dictionaries(st.integers(0, 20), st.floats(0, 50), max_size=12)
HOWS: tuple[Fusion, ...] = ("reciprocal", "convex", "calibrated")


def leg(kind: Kind, scores: dict[int, float], bound: float = 0.0, weight: float = 1.0) -> Leg:
    order = sorted(scores, key=lambda key: (-scores[key], key))
    keys = np.array(order, np.int32)
    return Leg(kind, keys, np.array([scores[key] for key in order]), bound, weight)


@given(SCORES, SCORES, st.floats(0, 1), st.sampled_from(HOWS))
def test_every_candidate_stays_and_scores_are_in_range(
    words: dict[int, float], near: dict[int, float], weight: float, how: Fusion
) -> None:
    found = fused([leg("words", words), leg("meaning", near)], how, meaning_weight=weight)
    assert set(found.keys.tolist()) == {*words, *near}
    assert np.all((found.scores >= 0) & (found.scores <= 1 + 1e-9))
    assert found.parts.sum(axis=0) == pytest.approx(found.scores)
    pairs = list(zip(-found.scores, found.keys.tolist(), strict=True))
    assert pairs == sorted(pairs)


def test_reciprocal_ranks_by_hand() -> None:
    found = fused(
        [leg("words", {1: 9, 2: 5}), leg("meaning", {2: 0.9, 3: 0.1})], "reciprocal", rrf_k=60
    )
    assert found.keys.tolist() == [2, 1, 3]
    assert found.scores == pytest.approx([0.5 / 62 + 0.5 / 61, 0.5 / 61, 0.5 / 62])
    assert found.ranks[:, 0].tolist() == [2, 1]
    assert found.ranks[:, 2].tolist() == [0, 2]


def test_calibrated_scores_are_shares_of_what_could_be_reached() -> None:
    words, near = leg("words", {1: 8, 2: 4}, bound=16), leg("meaning", {2: 0.5, 3: 0.4}, bound=1)
    found = fused([words, near], "calibrated", meaning_weight=0.5)
    scores = dict(zip(found.keys.tolist(), found.scores.tolist(), strict=True))
    # What the search by meaning lacks is as far as the last it found; by words it scores 0.
    assert scores == pytest.approx({1: 0.25 + 0.2, 2: 0.125 + 0.25, 3: 0.2})


def test_where_words_match_badly_meaning_decides() -> None:
    def best(bound: float) -> int:
        words, near = leg("words", {1: 5, 2: 1}, bound), leg("meaning", {2: 0.8, 1: 0.5}, 1.0)
        return int(fused([words, near], "calibrated").keys[0])

    assert best(bound=8.0) == 1
    assert best(bound=80.0) == 2


def test_an_empty_leg_leaves_its_weight_to_the_other() -> None:
    for how in HOWS:
        alone = fused([leg("words", {1: 3, 2: 1})], how, meaning_weight=0.9)
        beside = fused([leg("words", {1: 3, 2: 1}), leg("meaning", {})], how, meaning_weight=0.9)
        assert alone.scores == pytest.approx(beside.scores)
    nothing = fused([leg("words", {}), leg("meaning", {})], "calibrated")
    assert len(nothing.keys) == 0
    only = fused([leg("words", {1: 3})], "convex", meaning_weight=1.0)
    assert only.scores.tolist() == [1.0]


def test_phrasings_share_the_weight_of_their_kind() -> None:
    near = leg("meaning", {3: 1.0}, 1.0)
    one = fused([leg("words", {1: 5}, 5.0), near], "calibrated")
    two = fused(
        [leg("words", {1: 5}, 5.0, 3.0), leg("words", {1: 5}, 5.0, 1.0), near], "calibrated"
    )
    assert one.scores == pytest.approx(two.scores)
    assert two.parts[0, 0] == pytest.approx(3 * two.parts[1, 0])


def test_ids_may_be_text() -> None:
    words = Leg("words", np.array(["b", "a"]), np.array([2.0, 2.0]), 2.0)
    assert fused([words], "calibrated").keys.tolist() == ["a", "b"]


def test_a_leg_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="scores"):
        Leg("words", np.array([1, 2]), np.array([1.0]))
    with pytest.raises(ValueError, match="weight"):
        Leg("words", np.array([1]), np.array([1.0]), weight=0)
    with pytest.raises(ValueError, match="nothing"):
        fused([], "convex")
