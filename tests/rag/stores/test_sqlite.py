"""What is SQLite's own: one file, and readers that keep their state."""

from __future__ import annotations

import concurrent.futures
import sqlite3
from pathlib import Path

import pytest
from store_child import state
from stored_rows import contents, table

from luthier.core.errors import StoreError
from luthier.rag.access import Slice
from luthier.rag.stores.sqlite import FILE_NAME, SqliteStore
from luthier.rag.stores.store import Change


def test_looking_makes_no_file(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "none")
    assert store.version() == 0
    assert not (tmp_path / "none").exists()


def test_a_reader_keeps_its_state_while_another_writes(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, keep=1)
    store.apply(Change(table(state("k", 1))))
    rows = store.rows(1)
    first = next(rows)
    store.apply(Change(table(state("k", 2))))
    assert first.num_rows == 14
    assert list(rows) == []
    assert len(contents(store, 2)) == 16
    store.close()


def test_what_is_not_a_store_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 500)
    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(tmp_path).version()
    other = tmp_path / "other"
    other.mkdir()
    there = sqlite3.connect(other / FILE_NAME)
    there.execute("CREATE TABLE about (key TEXT PRIMARY KEY, value)")
    there.execute("INSERT INTO about VALUES ('format', 99)")
    there.commit()
    there.close()
    with pytest.raises(StoreError, match="format 99"):
        SqliteStore(other).version()


def test_it_can_be_asked_from_several_threads(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.apply(Change(table(state("k", 1))))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: len(store.match("k", 99, Slice(), 1)), range(20)))
    assert found == [14] * 20
    store.close()
