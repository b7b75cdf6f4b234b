"""Equal rows share a key; rows that teach something else don't."""

from __future__ import annotations

import dataclasses

import pytest

from luthier.core.records import Document, Example, Message
from luthier.data.clean.exact import exact_key

DOCUMENT = Document("a", "A", "Some  text\nhere", "o:1", "text", "g")
ROW = Example(
    "1", (Message("user", "What?"), Message("assistant", "That.")), "o:1", "g", "row", label="x"
)


def test_layout_capitals_and_names_make_no_difference() -> None:
    other = Document("b", "B", "some text here ", "o:2", "row", "h")
    assert exact_key(DOCUMENT) == exact_key(other)
    louder = (Message("user", "WHAT?"), Message("assistant", " that. "))
    assert exact_key(ROW) == exact_key(dataclasses.replace(ROW, messages=louder, id="2"))


@pytest.mark.parametrize(
    "change",
    [
        {"label": "y"},
        {"rejected": (Message("assistant", "Not that."),)},
        {"desirable": False},
        {"tools": "[1]"},
        {"messages": (Message("user", "What!"), Message("assistant", "That."))},
        {"messages": (Message("system", "What?"), Message("assistant", "That."))},
    ],
)
def test_other_rows_have_other_keys(change: dict[str, object]) -> None:
    assert exact_key(ROW) != exact_key(dataclasses.replace(ROW, **change))  # type: ignore[arg-type]


def test_kinds_of_rows_are_never_equal() -> None:
    assert exact_key(DOCUMENT) != exact_key(ROW)
