"""Rows of a SQLite store: what is shared is kept once, and goes with its last passage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from store_child import state
from stored_rows import table

from luthier.rag.stores import _sqlite_tables as tables
from luthier.rag.stores._sqlite_sql import TABLES


def _database(path: Path) -> sqlite3.Connection:
    there = sqlite3.connect(path)
    for statement in TABLES.split(";\n")[:-1]:
        there.execute(statement)
    tables.tell(there, "format", 1)
    return there


def test_lists_are_kept_once_and_go_with_the_last_passage(tmp_path: Path) -> None:
    there = _database(tmp_path / "a")
    assert tables.is_ours(there, tmp_path)
    tables.insert(there, table(state("k", 1)), tables.next_number(there))
    tables.made(there, 1, "first")
    assert there.execute("SELECT count(*) FROM lists").fetchone() == (1,)
    assert there.execute("SELECT count(*) FROM vectors").fetchone() == (14,)
    assert [v.passages for v in tables.versions(there)] == [14]
    named = "document_id IN (SELECT value FROM json_each(?))"
    tables.delete(there, named, [tables.packed(["kd0"])])
    assert there.execute("SELECT count(*) FROM lists").fetchone() == (1,)
    tables.delete(there, "true", [])
    for name in ("lists", "names", "metas", "vectors", "passages"):
        assert there.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
    there.close()


def test_versions_beyond_those_kept_are_forgotten(tmp_path: Path) -> None:
    there = _database(tmp_path / "a")
    for number in range(1, 5):
        assert tables.next_number(there) == number
        tables.made(there, number, "")
    tables.forget(there, 2)
    assert [v.number for v in tables.versions(there)] == [3, 4]
    there.close()
