"""The same text under other ids, now and in old versions."""

from __future__ import annotations

from pathlib import Path

from luthier.core.records import Passage
from luthier.rag.stores.copies import Copies, copies
from luthier.rag.stores.sqlite import SqliteStore
from luthier.rag.stores.store import Change, rows_of


def put(store: SqliteStore, **contents: str) -> None:
    """A version with these documents alone, each with a digest that begins with its content."""
    rows = [Passage(f"{k}#0", k, "t", told, "f:1", 0, 1) for k, told in contents.items()]
    table = rows_of(rows, {k: f"{told}.rest.of.it" for k, told in contents.items()})
    gone = [k for k in store.digests(store.version()) if k not in contents]
    store.apply(Change(table, [*gone, *contents]))


def test_the_newest_content_of_an_id_is_looked_for_everywhere(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    assert copies(["a"], store) == Copies((), 0)
    put(store, a="one", b="two", c="three")
    put(store, a="two", b="three")
    put(store, a="two", b="four", c="two")
    assert copies(["a"], store) == Copies(("c",), 2)
    assert copies(["b"], store) == Copies((), 3)
    assert copies(["a", "b"], store) == Copies(("c",), 3)
    assert copies(["never there"], store) == Copies((), 3)
