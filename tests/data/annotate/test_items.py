from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import StoreError
from luthier.core.records import Document, Example, Message, write_table
from luthier.data.annotate.items import Item, SomeItems, TableItems, in_batches, items_of


def test_texts_and_questions_are_items_and_documentation_is_not() -> None:
    documents = [
        Document("a", "A", "where is my card", "f.csv:2", "row", "a"),
        Document("m", "M", "fill(text)", "m.py:1", "function", "m"),
        Document("b", "B", "a note", "n.txt:1", "text", "b"),
    ]
    chat = (Message("user", "first"), Message("assistant", "x"), Message("user", "second"))
    rows = [Example("r", (*chat, Message("assistant", "y")), "r:1", "r", "row", label="y")]
    assert items_of(documents, rows) == [
        Item("a", "where is my card", "f.csv:2"),
        Item("b", "a note", "n.txt:1"),
        Item("r", "second", "r:1", "y"),
    ]


def test_the_items_of_a_folder_are_those_of_its_tables_each_time(tmp_path: Path) -> None:
    documents = [
        Document(f"d{i}", "", f"text {i}", f"f:{i}", "module" if i % 3 == 0 else "row", "g")
        for i in range(20)
    ]
    said = (Message("user", "why?"), Message("assistant", "so"))
    rows = [Example(f"r{i}", said, f"r:{i}", "g", "row", label="x" * (i % 2)) for i in range(5)]
    write_table(tmp_path / "documents.parquet", documents, Document)
    write_table(tmp_path / "rows.parquet", rows, Example)
    items, expected = TableItems(tmp_path), items_of(documents, rows)
    assert list(items) == list(items) == expected
    assert len(items) == len(expected) == 18
    assert expected[3] in items
    assert Item("no", "such", "item") not in items
    some = SomeItems(items, [number in (0, 17) for number in range(18)])
    assert list(some) == list(some) == [expected[0], expected[17]]
    assert (len(some), expected[1] in some) == (2, False)
    assert [len(batch) for batch in in_batches(items, 7)] == [7, 7, 4]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "documents.parquet").write_text("no table")
    with pytest.raises(StoreError, match="cannot read this table"):
        TableItems(tmp_path)
