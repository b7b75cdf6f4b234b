"""Conversations folded into one question, with a model and without."""

from __future__ import annotations

import pytest
from scripted import Scripted

from luthier.core.records import Message
from luthier.rag.queries.fold import (
    FoldModel,
    FoldRules,
    fold_by_model,
    fold_by_rules,
    leans,
    with_words,
)
from luthier.rag.queries.language import read_language

ENGLISH = read_language("english")
TOWER = [
    Message("user", "Who designed the Eiffel Tower?"),
    Message("assistant", "It was designed by engineers of Gustave Eiffel. They worked in Paris."),
]


@pytest.mark.parametrize(
    ("question", "does"),
    [
        ("When was it built?", True),
        ("What about Berlin?", True),
        ("And the height of the second floor?", True),
        ("Why?", True),
        ("Who owns the Louvre museum?", False),
        ("capital France", False),
    ],
)
def test_what_leans_on_earlier_turns(question: str, does: bool) -> None:
    assert leans(question, ENGLISH) is does


def test_words_of_the_last_question_and_names_of_its_answer_are_added() -> None:
    folded = fold_by_rules("When was it built?", TOWER, FoldRules(), ENGLISH)
    assert folded == "When was it built (designed Eiffel Tower Gustave Paris)?"


def test_a_question_that_stands_alone_stays() -> None:
    alone = "Who owns the Louvre museum?"
    assert fold_by_rules(alone, TOWER, FoldRules(), ENGLISH) == alone
    assert fold_by_rules("When was it built?", [], FoldRules(), ENGLISH) == "When was it built?"


def test_it_goes_back_to_the_question_that_stood_alone() -> None:
    turns = [
        Message("user", "Who owns the Louvre museum?"),
        Message("assistant", "The state."),
        *TOWER,
        Message("user", "When was it built?"),
        Message("assistant", "In 1889."),
    ]
    folded = fold_by_rules("And how tall?", turns, FoldRules(), ENGLISH)
    assert "Eiffel" in folded
    assert "1889" in folded
    assert "Louvre" not in folded
    few = fold_by_rules("And how tall?", turns, FoldRules(turns=1, terms=1), ENGLISH)
    assert few == "And how tall (built)?"


def test_words_are_added_before_the_question_mark() -> None:
    assert with_words("why", ["a", "b"]) == "why (a b)"
    assert with_words("why?", []) == "why?"


def test_a_model_sees_the_turns_and_rewrites() -> None:
    model = Scripted(lambda _: "When was the Eiffel Tower built?")
    told = fold_by_model("When was it built?", TOWER, FoldModel(), model, ENGLISH)
    assert told.text == "When was the Eiffel Tower built?"
    assert "user: Who designed the Eiffel Tower?" in model.asked[0]
    assert "Last question: When was it built?" in model.asked[0]
    assert model.samplings[0].temperature == 0


def test_a_model_is_shown_so_many_turns_and_no_system_prompt() -> None:
    model = Scripted(lambda _: "built")
    turns = [Message("system", "secret"), Message("user", "Old?"), *TOWER]
    fold_by_model("When was it built?", turns, FoldModel(turns=1), model, ENGLISH)
    assert "Old?" not in model.asked[0]
    assert "secret" not in model.asked[0]


@pytest.mark.parametrize(
    "said", ["", "Bananas are yellow.", "built " * 100, "Usually the Eiffel Tower."]
)
def test_a_bad_rewriting_is_refused(said: str) -> None:
    told = fold_by_model(
        "When was it built?", TOWER, FoldModel(), Scripted(lambda _: said), ENGLISH
    )
    assert told.text == ""
    assert told.problem
