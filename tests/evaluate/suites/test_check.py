"""Each kind of item needs something that an answer can be held against."""

from __future__ import annotations

import pytest

from luthier.core.records import Message
from luthier.evaluate.suite import Item
from luthier.evaluate.suites.check import problems_of

ASKED = (Message("user", "?"),)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Item("", "qa", ASKED, ("x",)), "no id"),
        (Item("a", "qa", (), ("x",)), "no prompt"),
        (Item("a", "qa", (*ASKED, Message("assistant", "!")), ("x",)), "must end with a turn"),
        (Item("a", "generation", ASKED, (" ",)), "no reference"),
        (Item("a", "choice", ASKED, ("x",), options=("x",)), "two options"),
        (Item("a", "choice", ASKED, (), options=("x", "y")), "which option is right"),
        (Item("a", "choice", ASKED, ("z",), options=("x", "y")), "'z' is none of the options"),
        (Item("a", "choice", ASKED, ("x",), options=("x", "y", "x")), "twice"),
        (Item("a", "classification", ASKED, ("z",), options=("x", "y")), "none of the options"),
        (Item("a", "structured", ASKED), "neither a schema nor a reference"),
        (Item("a", "structured", ASKED, schema="[1]"), "not a JSON object"),
        (Item("a", "retrieval", ASKED), "no relevant document"),
        (Item("a", "text"), "the text is empty"),
        (Item("a", "text", ASKED, ("x",)), "a text has no messages"),
    ],
)
def test_what_cannot_be_scored_is_named(item: Item, said: str) -> None:
    (problem,) = problems_of([item])
    assert said in problem


@pytest.mark.parametrize(
    "item",
    [
        Item("a", "qa", ASKED, answerable=False),
        Item("a", "conversation", ASKED),
        Item("a", "structured", ASKED, schema='{"type": "object"}'),
        Item("a", "classification", ASKED, ("x",)),
        Item("a", "retrieval", ASKED, relevant=("doc",)),
        Item("a", "choice", ASKED, ("x",), options=("x", "y")),
        Item("a", "qa", (*ASKED, Message("tool", "4")), ("x",)),
    ],
)
def test_what_can_be_scored_passes(item: Item) -> None:
    assert problems_of([item]) == []


def test_an_id_may_stand_there_once() -> None:
    twice = [Item("a", "text", references=("x",)), Item("a", "text", references=("y",))]
    assert problems_of(twice) == ["item 2: the id 'a' stands there twice"]
