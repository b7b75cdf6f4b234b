"""Passages in one SQLite file: for small collections, with nothing to install.

Each passage knows the version in which it came and the one in which it went, so all versions stand
side by side and a change is one transaction. Text is searched by FTS5 (BM25), vectors exactly.
The file is in WAL mode: any number of processes read while one writes.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice
from luthier.rag.stores import _sqlite_sql as sql, _sqlite_tables as tables
from luthier.rag.stores._check import best, check_asked, checked, dimension_of, version_in
from luthier.rag.stores._exact import VectorCache, numbers
from luthier.rag.stores._record import make_folder
from luthier.rag.stores._rows import ALWAYS, batches, passages, words_of
from luthier.rag.stores.store import Change, Version, schema

FILE_NAME = "passages.sqlite"
_WAIT_S = 120.0  # how long a writer waits for another
_TAKEN = [*sql.PLAIN[:-1], "access", "meta"]


class SqliteStore:
    """A `PassageStore` in one file.

    Args:
        folder: Where the file is; made at the first change.
        keep: Versions kept; older ones are forgotten at the next change.
    """

    def __init__(self, folder: Path, keep: int = 10) -> None:
        self.path = folder / FILE_NAME
        self._keep = keep
        self._mine = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._cache = VectorCache(self._vectors_behind)

    def version(self) -> int:
        """See `PassageStore`."""
        return max((one.number for one in self.versions()), default=0)

    def versions(self) -> list[Version]:
        """See `PassageStore`."""
        with self._reading() as there:
            return tables.versions(there) if there else []

    def dimension(self) -> int | None:
        """See `PassageStore`."""
        with self._reading() as there:
            found = tables.about(there, "dimension") if there else None
        return None if found is None else int(found)

    def apply(self, change: Change) -> int:
        """See `PassageStore`."""
        with self._writing() as there:
            known = tables.about(there, "dimension")
            rows, gone = checked(change, known, str(self.path))
            number = tables.next_number(there)
            there.execute(
                "CREATE TEMP TABLE named AS SELECT value FROM json_each(?)", [tables.packed(gone)]
            )
            there.execute(
                "UPDATE passages SET until = ? WHERE until = ? "
                "AND document_id IN (SELECT value FROM named)",
                [number, ALWAYS],
            )
            there.execute("DROP TABLE named")
            if rows is not None:
                tables.tell(there, "dimension", dimension_of(rows))
                tables.insert(there, rows, number)
            tables.made(there, number, change.note)
            tables.tell(there, "changes", (tables.about(there, "changes") or 0) + 1)
            tables.forget(there, self._keep)
        return number

    def digests(self, version: int) -> dict[str, str]:
        """See `PassageStore`."""
        asked = f"SELECT DISTINCT p.document_id, p.document_digest FROM passages p WHERE {sql.AT}"
        return dict(self._ask(version, asked, [version, version]))

    def rows(
        self, version: int, columns: Sequence[str] = (), documents: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See `PassageStore`."""
        with self._reading(own=True) as there:
            if not version:
                return
            version_in(tables.versions(there) if there else [], version, str(self.path))
            assert there is not None  # a version is there
            dimension = tables.about(there, "dimension") or 0
            wanted = list(columns) or schema(dimension).names
            read = ", ".join(sql.COLUMNS[name] for name in wanted)
            asked = f"SELECT {read} FROM passages p WHERE {sql.AT}"
            told: list[object] = [version, version]
            if documents is not None:
                asked += " AND p.document_id IN (SELECT value FROM json_each(?))"
                told.append(tables.packed(documents))
            yield from batches(there.execute(f"{asked} ORDER BY p.id", told), wanted, dimension)

    def take(self, ids: Sequence[str], part: Slice, version: int) -> dict[str, Passage]:
        """See `PassageStore`."""
        read = ", ".join(sql.COLUMNS[name] for name in _TAKEN)
        named = "p.id IN (SELECT value FROM json_each(?))"
        rows = self._in_slice(
            f"SELECT {read} FROM passages p WHERE {named}", [tables.packed(ids)], part, version
        )
        return passages(rows, _TAKEN)

    def match(self, query: str, depth: int, part: Slice, version: int) -> dict[str, float]:
        """See `PassageStore`."""
        words = " OR ".join(f'"{word}"' for word in words_of(query))
        if depth < 1 or not words:
            return {}
        asked = (
            "SELECT p.id, -bm25(words) AS score FROM words JOIN passages p ON p.row = words.rowid "
            "WHERE words MATCH ?"
        )
        rows = self._in_slice(asked, [words], part, version, f"ORDER BY score DESC LIMIT {depth:d}")
        return best(rows, depth)

    def nearest(
        self, vectors: Vectors, depth: int, part: Slice, version: int
    ) -> list[dict[str, float]]:
        """See `PassageStore`."""
        if depth < 1 or not len(vectors):
            return [{} for _ in vectors]
        with self._reading() as there:  # the cache reads in this transaction too
            if there is None:
                return [{} for _ in vectors]
            check_asked(vectors, tables.about(there, "dimension"), str(self.path))
            asked = "SELECT p.row FROM passages p WHERE true"
            rows = numbers(self._in_slice(asked, [], part, version, "ORDER BY p.row"))
            hits = self._cache.nearest(vectors, rows, depth)
            named = "SELECT row, id FROM passages WHERE row IN (SELECT value FROM json_each(?))"
            found = sorted({row for one in hits for row, _ in one})
            ids = dict(there.execute(named, [tables.packed(found)]))
        return [best(((ids[row], score) for row, score in one), depth) for one in hits]

    def restore(self, version: int, note: str = "") -> int:
        """See `PassageStore`."""
        with self._writing() as there:
            version_in(tables.versions(there), version, str(self.path))
            number = tables.next_number(there)
            for statement in sql.RESTORE:
                there.execute(statement, {"old": version, "new": number})
            tables.made(there, number, note or f"version {version} again")
            tables.forget(there, self._keep)
        return number

    def erase(self, documents: Sequence[str]) -> int:
        """See `PassageStore`. All versions stay, without the documents."""
        if not documents or not self.path.exists():
            return self.version()
        with self._writing() as there:
            named = "document_id IN (SELECT value FROM json_each(?))"
            tables.delete(there, named, [tables.packed(documents)])
            there.execute("INSERT INTO words (words) VALUES ('rebuild')")
            for one in tables.versions(there):
                counted = f"(SELECT count(*) FROM passages p WHERE {sql.AT})"
                told = [one.number] * 3
                there.execute(f"UPDATE versions SET passages = {counted} WHERE number = ?", told)
            number = tables.next_number(there)
            tables.made(there, number, f"erased {len(set(documents))} documents")
            tables.forget(there, self._keep)
        self._cache.clear()
        self._compact()
        return number

    def prune(self, keep: int) -> int:
        """See `PassageStore`."""
        if keep < 1:
            raise StoreError("at least one version is kept", where=str(self.path))
        if not self.path.exists():
            return 0
        with self._writing() as there:
            before = len(tables.versions(there))
            tables.forget(there, keep)
            went = before - len(tables.versions(there))
        self._compact()
        return went

    def optimize(self) -> None:
        """See `PassageStore`."""
        if self.path.exists():
            with self._writing() as there:
                there.execute("INSERT INTO words (words) VALUES ('optimize')")
                tables.tell(there, "changes", 0)
            self._compact()

    def health(self) -> Mapping[str, Any]:
        """See `PassageStore`."""
        files = sorted(self.path.parent.glob(f"{FILE_NAME}*"))
        versions = self.versions()
        with self._reading() as there:
            changes = tables.about(there, "changes") if there else None
        return {
            "kind": "sqlite",
            "where": str(self.path),
            "bytes": sum(p.stat().st_size for p in files),
            "files": len(files),
            "versions": len(versions),
            "passages": versions[-1].passages if versions else 0,
            "changes": changes or 0,
            "unindexed": 0,
            "search": {},
        }

    def close(self) -> None:
        """See `PassageStore`."""
        self._cache.clear()
        while self._all:
            self._all.pop().close()
        self._mine = threading.local()

    def _in_slice(
        self, asked: str, told: list[object], part: Slice, version: int, then: str = ""
    ) -> list[Any]:
        """Rows of passages ``p`` of a version that are in a slice."""
        within = sql.condition(part)
        if within is None:
            return []
        more, values_of_more = within
        whole = f"{asked} AND {sql.AT} AND {more} {then}"
        return self._ask(version, whole, [*told, version, version, *values_of_more])

    def _ask(self, version: int, asked: str, told: Sequence[object]) -> list[Any]:
        with self._reading() as there:
            if not version:
                return []
            version_in(tables.versions(there) if there else [], version, str(self.path))
            assert there is not None  # a version is there
            return there.execute(asked, told).fetchall()

    def _vectors_behind(self, row: int) -> Iterator[tuple[int, bytes]]:
        with self._reading() as there:
            assert there is not None
            yield from there.execute(
                "SELECT row, vector FROM vectors WHERE row > ? ORDER BY row", [row]
            )

    def _connection(self) -> sqlite3.Connection:
        there: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if there is None:
            there = self._mine.connection = self._connect()
            self._all.append(there)
        return there

    def _connect(self) -> sqlite3.Connection:
        there = sqlite3.connect(
            self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        there.execute("PRAGMA secure_delete = ON")
        return there

    @contextlib.contextmanager
    def _reading(self, *, own: bool = False) -> Iterator[sqlite3.Connection | None]:
        """A connection that sees one state of the file throughout; None if there is no file."""
        if not self.path.exists():
            yield None
            return
        with _sqlite_errors(self.path), contextlib.ExitStack() as stack:
            there = self._connect() if own else self._connection()
            if own:
                stack.callback(there.close)
            if there.in_transaction:  # within another one
                yield there
                return
            there.execute("BEGIN")
            stack.callback(lambda: there.in_transaction and there.execute("ROLLBACK"))
            yield there if tables.is_ours(there, self.path) else None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction of its own, which ends whole or not at all."""
        make_folder(self.path.parent)
        with _sqlite_errors(self.path):
            there = self._connection()
            there.execute("PRAGMA journal_mode = WAL")
            there.execute("BEGIN IMMEDIATE")
            try:
                if not tables.is_ours(there, self.path):
                    for statement in sql.TABLES.split(";\n")[:-1]:
                        there.execute(statement)
                    tables.tell(there, "format", sql.FORMAT)
                yield there
                there.execute("COMMIT")
            except BaseException:
                if there.in_transaction:
                    there.execute("ROLLBACK")
                raise

    def _compact(self) -> None:
        """Write the file anew without what was deleted, and empty the log beside it."""
        with _sqlite_errors(self.path):
            there = self._connection()
            there.execute("VACUUM")
            until = time.monotonic() + _WAIT_S
            while there.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > until:
                    raise StoreError(
                        "the change is made, but a reader still holds the old pages",
                        where=str(self.path),
                        mend="Let the readers finish and do it again.",
                    )
                time.sleep(0.05)


@contextlib.contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"the passage store fails: {error}",
            where=str(path),
            mend="Check disk space and permissions. What was acknowledged is kept.",
        ) from error
