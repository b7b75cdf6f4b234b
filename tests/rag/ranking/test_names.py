"""Titles that a question names."""

from __future__ import annotations

from luthier.rag.ranking.names import named


def test_the_longest_name_written_out_wins() -> None:
    titles = ["textwrap.fill", "textwrap.TextWrapper.fill", "textwrap", "turtle.end_fill", "os", ""]
    for question in ("What does textwrap.fill return?", "In module textwrap, what does fill do?"):
        scores = named(question, titles)
        assert scores[0] == 1.0
        assert scores[0] > scores[2] > scores[1] > scores[3] > scores[4] == scores[5] == 0
    assert not named("Nothing of this.", titles).any()
    assert named("Nothing", []).shape == (0,)


def test_a_headline_counts_only_where_all_of_it_is_asked_for() -> None:
    titles = ["Refund policy", "Policy of cancelled orders and of refunds"]
    assert named("What is the refund policy for orders?", titles).tolist() == [1.0, 0.0]
