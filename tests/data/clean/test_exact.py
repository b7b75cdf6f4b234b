"""Equal rows share a key; rows that teach something else don't."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, strategies as st

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
        {"messages": (Message("user", "What?"), Message("assistant", "That.", weight=0.5))},
    ],
)
def test_other_rows_have_other_keys(change: dict[str, object]) -> None:
    assert exact_key(ROW) != exact_key(dataclasses.replace(ROW, **change))  # type: ignore[arg-type]


def test_a_document_that_others_may_see_is_another() -> None:
    lists = [("everyone",), ("hr",), ("HR",), ("hr", "ann"), ()]
    keys = {exact_key(dataclasses.replace(DOCUMENT, access=access)) for access in lists}
    assert len(keys) == len(lists)
    mixed = dataclasses.replace(DOCUMENT, access=("ann", "hr"))
    assert exact_key(mixed) == exact_key(dataclasses.replace(DOCUMENT, access=("hr", "ann")))


def test_kinds_of_rows_are_never_equal() -> None:
    assert exact_key(DOCUMENT) != exact_key(ROW)


WORDS = st.text("aAß\0 \n\x1f", max_size=4)
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant"]), WORDS, WORDS), max_size=2
).map(tuple)
ROWS = st.builds(
    Example, st.just("1"), MESSAGES, WORDS, WORDS, WORDS,
    label=WORDS, rejected=MESSAGES, desirable=st.sampled_from([None, True, False]), tools=WORDS,
)  # fmt: skip


def _plain(row: Example) -> list[object]:
    """What makes a row what it is, part by part."""
    parts = [[(m.role, m.content, m.tool_calls) for m in turns] for turns in
             (row.messages, row.rejected)]  # fmt: skip
    plain = [[tuple(" ".join(p.casefold().split()) for p in turn) for turn in p] for p in parts]
    rest = [" ".join(part.casefold().split()) for part in (row.label, row.tools)]
    return [*plain, row.desirable, *rest]


@given(ROWS, ROWS)
def test_keys_are_equal_just_where_every_part_is(one: Example, other: Example) -> None:
    assert (exact_key(one) == exact_key(other)) == (_plain(one) == _plain(other))


def test_signs_in_a_text_don_t_shift_its_parts() -> None:
    one = dataclasses.replace(ROW, label="a \0 b", tools="")
    for label, tools in (("a", "b"), ("a \0", "b"), ("a", "\0 b"), ("a \0\0 b", "")):
        assert exact_key(one) != exact_key(dataclasses.replace(ROW, label=label, tools=tools))
    moved = (Message("user", "What? \0  \0 assistant \0 That."),)
    assert exact_key(ROW) != exact_key(dataclasses.replace(ROW, messages=moved))
