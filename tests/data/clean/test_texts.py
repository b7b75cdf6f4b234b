"""All texts of a row are reached, tool calls inside JSON included."""

from __future__ import annotations

import json

import pytest

from luthier.core.records import Document, Example, Message
from luthier.data.clean._texts import change_texts, emptied, judged_text

DOCUMENT = Document("a", "Old title", "old text", "o:1", "text", "g", {"by": "old hand"})
CALLS = json.dumps([{"function": {"name": "f", "arguments": '{"to": "old", "n": 41}'}, "on": True}])
ROW = Example(
    "1",
    (
        Message("system", "old rules"),
        Message("user", "old?"),
        Message("assistant", "", tool_calls=CALLS),
        Message("tool", "old result", tool_call_id="c1"),
        Message("assistant", "old!"),
    ),
    "o:1",
    "g",
    "row",
    label="old!",
    rejected=(Message("assistant", "old..."),),
    tools='[{"description": "old tool"}]',
)


def test_every_text_is_changed() -> None:
    new = change_texts(DOCUMENT, lambda text, _: text.replace("old", "new").replace("Old", "New"))
    assert new == Document("a", "New title", "new text", "o:1", "text", "g", {"by": "new hand"})
    row = change_texts(ROW, lambda text, _: text.replace("old", "new").replace("41", "[N]"))
    assert isinstance(row, Example)
    assert "old" not in str(row)
    assert row.label == row.answer == "new!"
    calls = json.loads(row.messages[2].tool_calls)
    assert json.loads(calls[0]["function"]["arguments"]) == {"to": "new", "n": "[N]"}
    assert calls[0]["on"] is True
    assert row.messages[3].tool_call_id == "c1"


def test_nothing_changed_is_the_very_same_row() -> None:
    assert change_texts(ROW, lambda text, _: text) is ROW
    assert change_texts(DOCUMENT, lambda text, _: text) is DOCUMENT


def test_places_are_told() -> None:
    seen: dict[str, str] = {}
    change_texts(DOCUMENT, lambda text, place: seen.setdefault(text, place))
    change_texts(ROW, lambda text, place: seen.setdefault(text, place))
    assert (seen["Old title"], seen["old text"], seen["old hand"]) == ("title", "text", "meta")
    assert (seen["old!"], seen["old tool"], seen["41"]) == ("message", "json", "json")


def test_a_title_is_never_emptied() -> None:
    new = change_texts(DOCUMENT, lambda text, place: "" if place == "title" else text)
    assert new is DOCUMENT


def test_what_the_rules_read() -> None:
    assert judged_text(DOCUMENT, answers_only=True) == "old text"
    assert judged_text(ROW, answers_only=True) == "old!"
    assert judged_text(ROW, answers_only=False) == "old?\n\nold!"


@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        ("old!", "nothing is left of the answer"),
        ("old?", "nothing is left of a message"),
        ("old...", "nothing is left of a message"),
        ("nothing", ""),
    ],
)
def test_emptied(gone: str, reason: str) -> None:
    assert emptied(ROW, change_texts(ROW, lambda t, _: "" if t == gone else t)) == reason


def test_emptied_documents() -> None:
    bare = change_texts(DOCUMENT, lambda text, place: " " if place == "text" else text)
    assert emptied(DOCUMENT, bare) == "nothing is left"
