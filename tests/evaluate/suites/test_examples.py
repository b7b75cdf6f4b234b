"""A project's test side becomes items: each kind of row as it is answered."""

from __future__ import annotations

from luthier.core.records import Example, Message
from luthier.evaluate.suite import Item
from luthier.evaluate.suites.examples import choose, from_examples


def example(name: str, answer: str, *before: Message, **more: str) -> Example:
    turns = (*before, Message("user", f"{name}?"), Message("assistant", answer))
    fields = {"origin": "faq.csv:1", "group": "g", "kind": "fact", **more}
    return Example(name, turns, side="test", **fields)  # type: ignore[arg-type]


def test_rows_become_items_of_their_kind() -> None:
    turns = (Message("user", "Hi"), Message("assistant", "Hello"))
    rows = [
        example("a", "Four", document_id="d"),
        example("b", "refund", label="refund"),
        example("c", '{"x": 1}', kind="form"),
        example("d", "import x", kind="form"),
        example("e", "Yes", *turns),
    ]
    items = from_examples(rows)
    kinds = [item.kind for item in items]
    assert kinds == ["qa", "classification", "structured", "qa", "conversation"]
    assert (items[0].references, items[0].relevant, items[0].tags) == (("Four",), ("d",), ("fact",))
    assert items[1].options == ("refund",)
    assert (items[0].question, items[0].group, items[0].origin) == ("a?", "g", "faq.csv:1")


def test_fewer_items_are_the_same_ones_whatever_is_added() -> None:
    items = [Item(str(n), "text", references=("x",)) for n in range(40)]
    some = choose(items, 10)
    assert len(some) == 10
    assert [int(i.id) for i in some] == sorted(int(i.id) for i in some)
    assert {i.id for i in choose(items[:30], 10)} & {i.id for i in some}
    assert set(choose(items, 5)) < set(some)
    assert choose(items, None) == choose(items, 99) == items
