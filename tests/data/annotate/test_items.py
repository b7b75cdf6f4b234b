from __future__ import annotations

from luthier.core.records import Document, Example, Message
from luthier.data.annotate.items import Item, items_of


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
