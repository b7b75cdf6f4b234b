"""Columns of records: what cannot be one is named, and copies differ where they are told to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, strategies as st

from luthier.core.columns import schema_of, to_records, to_table, with_columns
from luthier.core.records import Document, Message

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
documents = st.builds(
    Document, words, words, words, words, words, words, st.dictionaries(words, words, max_size=3)
)


def test_a_field_without_an_arrow_type_is_named() -> None:
    @dataclasses.dataclass
    class Strange:
        thing: complex

    with pytest.raises(TypeError, match="no Arrow type for"):
        schema_of(Strange)


@given(st.lists(documents, max_size=5))
def test_there_and_back(rows: list[Document]) -> None:
    table = to_table(rows, Document)
    assert table.schema == schema_of(Document)
    assert to_records(table, Document) == rows


@given(st.lists(documents, max_size=5), st.data())
def test_copies_with_other_values(rows: list[Document], data: st.DataObject) -> None:
    groups = [data.draw(words) for _ in rows]
    wanted = [
        dataclasses.replace(row, group=group) for row, group in zip(rows, groups, strict=True)
    ]
    assert with_columns(rows, Document, group=groups) == wanted


def test_copies_know_their_fields() -> None:
    with pytest.raises(TypeError, match="Message has no field contents"):
        with_columns([], Message, contents=[])
