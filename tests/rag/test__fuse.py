"""Scores of two searches become one ranking."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from luthier.rag._fuse import fuse, named, ranked

scores = st.dictionaries(st.sampled_from("abcdef"), st.floats(-5, 50), max_size=6)


def test_a_fusion_by_hand() -> None:
    words = {"a": 10.0, "b": 6.0, "c": 2.0}
    dense = {"b": 0.9, "c": 0.5, "d": 0.1}
    fused = fuse(words, dense, 0.25)
    assert fused == pytest.approx({"a": 0.75, "b": 0.625, "c": 0.125, "d": 0.0})


@given(scores, scores, st.floats(0, 1))
def test_scores_stay_in_range_and_every_candidate_stays(
    words: dict[str, float], dense: dict[str, float], weight: float
) -> None:
    fused = fuse(words, dense, weight)
    assert set(fused) == {*words, *dense}
    assert all(0.0 <= score <= 1.0 + 1e-9 for score in fused.values())


@given(scores)
def test_all_the_weight_on_one_list_keeps_its_order(words: dict[str, float]) -> None:
    order = [one for one, _ in ranked(fuse(words, {}, 0.0), 10)]
    assert all(
        words[left] >= words[right]
        for i, left in enumerate(order)
        for right in order[i + 1 :]
        if abs(words[left] - words[right]) > 1e-6
    )


def test_equal_scores_stand_in_the_order_of_their_ids() -> None:
    assert ranked({"b": 1.0, "c": 2.0, "a": 1.0}, 3) == [("c", 2.0), ("a", 1.0), ("b", 1.0)]


def test_the_longest_name_written_out_wins() -> None:
    titles = {
        "function": "textwrap.fill",
        "method": "textwrap.TextWrapper.fill",
        "module": "textwrap",
        "other": "turtle.end_fill",
        "none": "os.path",
        "empty": "",
    }
    for question in ("What does textwrap.fill return?", "In module textwrap, what does fill do?"):
        found = named(question, titles)
        order = [one for one, score in ranked(found, 10) if score > 0]
        assert order == ["function", "module", "method", "other"]
        assert found["function"] == 1.0
    assert set(named("Nothing of this.", titles).values()) == {0.0}


def test_a_headline_counts_only_where_all_of_it_is_asked_for() -> None:
    titles = {"policy": "Refund policy", "other": "Policy of cancelled orders and of refunds"}
    assert named("What is the refund policy for orders?", titles) == {"policy": 1.0, "other": 0.0}
