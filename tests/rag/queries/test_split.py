"""Questions of several parts."""

from __future__ import annotations

import pytest
from scripted import Scripted

from luthier.rag.queries.language import read_language
from luthier.rag.queries.split import SplitModel, split_by_model, split_by_rules

ENGLISH = read_language("english")


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "compare the population of France and Germany",
            ["the population of France", "the population of Germany"],
        ),
        (
            "What is the difference between TCP and UDP in terms of latency?",
            ["TCP latency", "UDP latency"],
        ),
        ("Python vs. Ruby?", ["Python", "Ruby"]),
        ("how does BM25 differ from TF-IDF?", ["BM25", "TF-IDF"]),
        (
            "When was Warsaw founded and who founded it?",
            ["When was Warsaw founded", "who founded it (Warsaw)?"],
        ),
        ("Who won the cup? Where did they play?", ["Who won the cup?", "Where did they play?"]),
        (
            "Who wrote Hamlet, and when was the Globe built and who paid?",
            ["Who wrote Hamlet", "when was the Globe built", "who paid (Hamlet)?"],
        ),
    ],
)
def test_parts_by_rules(question: str, parts: list[str]) -> None:
    assert split_by_rules(question, ENGLISH, 4) == parts


@pytest.mark.parametrize(
    "question",
    [
        "what is research and development",
        "Who was the king and queen?",
        "Really? Why?",  # no words of content
        "Who a? Who b? Who c? Who d? Who e?",
        "vs",
        "",
        "Who won? " + "x" * 600 + "?",
    ],
)
def test_one_thing_is_not_split(question: str) -> None:
    assert split_by_rules(question, ENGLISH, 4) == []


def _by_model(said: str) -> tuple[list[str], str]:
    model = Scripted(lambda _: said)
    return split_by_model("Who built the tower and the bridge?", SplitModel(), model, ENGLISH)


def test_parts_by_a_model() -> None:
    said = "1. Who built the tower?\n- Who built the bridge?\n\n1. Who built the tower?"
    assert _by_model(said) == (["Who built the tower?", "Who built the bridge?"], "")
    assert _by_model("Who built the tower and the bridge?") == ([], "")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "empty"),
        ("\n".join(f"Who built tower {n}?" for n in range(9)), "9 parts"),
        ("Who built the tower?\nBuy bananas!", "something else"),
        ("Who built the tower?" * 20, "too long"),
    ],
)
def test_bad_parts_are_refused(said: str, problem: str) -> None:
    parts, told = _by_model(said)
    assert parts == []
    assert problem in told
