"""What is read from and written to the tables of a SQLite store, within somebody's transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from luthier.core.errors import StoreError
from luthier.rag.stores._check import labels_of
from luthier.rag.stores._rows import ALWAYS, values
from luthier.rag.stores._sqlite_sql import FORGET, FORMAT, PLAIN
from luthier.rag.stores.store import VECTOR, Version


def packed(listed: Sequence[str] | Sequence[int]) -> str:
    """Values as one value for ``json_each``."""
    return json.dumps(list(listed))


def is_ours(there: sqlite3.Connection, path: Path) -> bool:
    """Whether the tables are there."""
    if not there.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
        return False
    if (found := about(there, "format")) != FORMAT:
        raise StoreError(
            f"this store has format {found}; this Luthier reads {FORMAT}",
            where=str(path),
            mend="Delete this file, and `luthier rag index` makes it anew.",
        )
    return True


def about(there: sqlite3.Connection, key: str) -> Any:
    """A fact of the store, None if it is not told."""
    found = there.execute("SELECT value FROM about WHERE key = ?", [key]).fetchone()
    return found[0] if found else None


def tell(there: sqlite3.Connection, key: str, value: object) -> None:
    """Set a fact of the store."""
    there.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", [key, value])


def versions(there: sqlite3.Connection) -> list[Version]:
    """Those that can be read, oldest first."""
    found = there.execute("SELECT number, made_s, passages, note FROM versions ORDER BY number")
    return [Version(*row) for row in found]


def next_number(there: sqlite3.Connection) -> int:
    """The number of the version that is being made."""
    number = int(about(there, "last") or 0) + 1
    tell(there, "last", number)
    return number


def made(there: sqlite3.Connection, number: int, note: str) -> None:
    """Add a version that holds the passages which live now."""
    live = "(SELECT count(*) FROM passages WHERE until = ?)"
    told = [number, time.time(), ALWAYS, note]
    there.execute(f"INSERT INTO versions VALUES (?, ?, {live}, ?)", told)


def insert(there: sqlite3.Connection, rows: pa.Table, number: int) -> None:
    """Add checked rows to a version."""
    lists = _interned(there, values(rows, "access"), "lists", "names", "name")
    metas = _interned(there, values(rows, "meta"), "metas", "labels", "label")
    first = (there.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0] or 0) + 1
    numbers = range(first, first + rows.num_rows)
    told = zip(numbers, *(values(rows, c) for c in PLAIN), lists, metas, strict=True)
    named = ", ".join(f'"{name}"' for name in PLAIN)
    marks = ", ".join("?" * (len(PLAIN) + 3))
    there.executemany(
        f"INSERT INTO passages (row, {named}, list, meta, since) VALUES ({marks}, {number})", told
    )
    if VECTOR in rows.schema.names:
        vectors = zip(numbers, values(rows, VECTOR), strict=True)
        there.executemany("INSERT INTO vectors VALUES (?, ?)", vectors)
    there.execute(
        "INSERT INTO words (rowid, title, text) SELECT row, title, text FROM passages "
        "WHERE row >= ?",
        [first],
    )


def _interned(
    there: sqlite3.Connection, lists: list[str], table: str, found_by: str, column: str
) -> list[int]:
    """Numbers of access lists or of metadata, each kept once."""
    key, what = table[:-1], "names" if table == "lists" else "pairs"
    numbers: dict[str, int] = {}
    for one in dict.fromkeys(lists):
        there.execute(f"INSERT OR IGNORE INTO {table} ({what}) VALUES (?)", [one])
        row = there.execute(f"SELECT {key} FROM {table} WHERE {what} = ?", [one]).fetchone()
        numbers[one] = row[0]
        held = json.loads(one)
        found = held if table == "lists" else labels_of(held.items())
        there.executemany(
            f"INSERT OR IGNORE INTO {found_by} ({column}, {key}) VALUES (?, ?)",
            [(name, row[0]) for name in found],
        )
    return [numbers[one] for one in lists]


def delete(there: sqlite3.Connection, which: str, told: Sequence[object]) -> None:
    """Delete passages by a condition, with all that only they needed."""
    there.execute(f"CREATE TEMP TABLE doomed AS SELECT row FROM passages WHERE {which}", told)
    if there.execute("SELECT 1 FROM doomed LIMIT 1").fetchone():
        for statement in FORGET:
            there.execute(statement)
    there.execute("DROP TABLE doomed")


def forget(there: sqlite3.Connection, keep: int) -> None:
    """Delete all versions but the newest, and the passages that none of these has."""
    there.execute(
        "DELETE FROM versions WHERE number NOT IN "
        "(SELECT number FROM versions ORDER BY number DESC LIMIT ?)",
        [keep],
    )
    oldest = there.execute("SELECT min(number) FROM versions").fetchone()[0]
    if oldest is not None:
        delete(there, "until <= ?", [oldest])
