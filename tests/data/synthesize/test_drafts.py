"""Pairs are read from replies in whatever dress a model gives them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from scripted import row

from luthier.data.synthesize.drafts import from_row, pairs, shown


@pytest.mark.parametrize(
    "reply",
    [
        "Question: Why?\nAnswer: So.",
        "Sure!\n\n**Question:** Why?\n**Answer:** So.\n",
        "1. question: Why?\n- answer: So.",
        "Text: Why?\nLabel: So.",
        "Instruction: Why?\nResponse: So.",
    ],
)
def test_a_pair_is_found(reply: str) -> None:
    assert pairs(reply) == [("Why?", "So.")]


def test_several_pairs_and_long_answers() -> None:
    reply = "Question: A?\nAnswer: one\ntwo\n\nQuestion: B?\nAnswer: three"
    assert pairs(reply) == [("A?", "one\ntwo"), ("B?", "three")]


@pytest.mark.parametrize("reply", ["", "Why? So.", "Question: Why?", "Question:\nAnswer: So."])
def test_no_pair(reply: str) -> None:
    assert pairs(reply) == []


WORDS = st.lists(st.sampled_from(["why", "so", "wood", "3"]), min_size=1).map(" ".join)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_what_is_shown_is_read_back(told: list[tuple[str, str]]) -> None:
    text = "\n\n".join(f"Question: {q}\nAnswer: {a}" for q, a in told)
    assert pairs(text) == told


def test_labelled_rows_are_shown_as_texts_with_labels() -> None:
    assert shown([row(1, label="saw")]) == "Text: What does tool number 1 cut?\nLabel: saw"
    draft = from_row("Q?", " saw ", "few-shot", row(1, label="saw"))
    assert (draft.label, draft.parent, draft.group) == ("saw", "faq.csv:1", "group 1")
