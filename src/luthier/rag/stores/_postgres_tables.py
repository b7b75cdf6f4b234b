"""What a PostgreSQL store is made of: connections, transactions, tables read and written."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from luthier.core.errors import ResourceError, StoreError
from luthier.core.secrets import redact, reveal_url
from luthier.models.encode import Vectors
from luthier.rag.stores import _postgres_sql as sql
from luthier.rag.stores._check import dimension_of, labels_of, vectors_of
from luthier.rag.stores._rows import values
from luthier.rag.stores.store import VECTOR, Version

_CONNECT_S = 10
_WAIT_MS = 120_000  # how long a writer waits for another


class Tables:
    """The tables of one store.

    Args:
        url: Of the database; a password stands in it as ``${NAME}``.
        table: What the names of the tables begin with.
    """

    def __init__(self, url: str, table: str) -> None:
        self._url = url
        self._table = table
        self._mine = threading.local()
        self._all: list[Any] = []
        self.where = f"{redact(url)} {table}"

    def named(self, statement: str) -> str:
        """A statement with the names of this store's tables."""
        return statement.replace("{t}", self._table)

    def run(self, there: Any, statement: str, told: Any = None) -> Any:
        """Run a statement; the cursor with its rows."""
        return there.execute(self.named(statement), told)

    def one(self, there: Any, statement: str, told: Any = None) -> Any:
        """The first value of the first row, None without one."""
        row = self.run(there, statement, told).fetchone()
        return row[0] if row else None

    def about(self, there: Any, key: str) -> str | None:
        """A fact of the store, None if it is not told."""
        found: str | None = self.one(there, "SELECT value FROM {t}_about WHERE key = %s", [key])
        return found

    def tell(self, there: Any, key: str, value: object) -> None:
        """Set a fact of the store."""
        put = "INSERT INTO {t}_about VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = %s"
        self.run(there, put, [key, str(value), str(value)])

    def number(self, there: Any, key: str) -> int:
        """A fact that is a number; 0 if it is not told."""
        return int(self.about(there, key) or 0)

    def dimension_in(self, there: Any) -> int | None:
        """The length of the store's vectors."""
        found = self.about(there, "dimension")
        return None if found is None else int(found)

    def versions_in(self, there: Any) -> list[Version]:
        """Those that can be read, oldest first."""
        asked = "SELECT number, made_s, passages, note FROM {t}_versions ORDER BY number"
        return [Version(*row) for row in self.run(there, asked)]

    def next_number(self, there: Any) -> int:
        """The number of the version that is being made."""
        made = self.number(there, "last") + 1
        self.tell(there, "last", made)
        return made

    def insert(self, there: Any, rows: pa.Table, number: int) -> None:
        """Add checked rows to a version."""
        first = self.number(there, "row") + 1
        self.tell(there, "row", first + rows.num_rows - 1)
        if self.about(there, "dimension") is None:
            self._fix_dimension(there, dimension_of(rows) or 0)
        self.run(there, sql.STAGE)
        labels = [labels_of(meta) for meta in rows["meta"].to_pylist()]
        columns = [
            rows[name].to_pylist() if name == "access" else values(rows, name)
            for name in sql.COPIED
        ]
        numbers = range(first, first + rows.num_rows)
        with there.cursor().copy(self.named(sql.COPY)) as copy:
            for row in zip(numbers, *columns, labels, strict=True):
                copy.write_row(row)
        self.run(there, sql.FROM_STAGE % number)
        self.run(there, "DROP TABLE {t}_stage")
        if VECTOR in rows.schema.names:
            packed = _packed(vectors_of(rows), first, self.about(there, "vectors") == "vector")
            with there.cursor().copy(self.named(sql.COPY_VECTORS)) as copy:
                copy.write(packed)
        for statement in sql.INDEXES.split(";\n")[:-1]:
            self.run(there, statement)

    def delete(self, there: Any, which: str, told: Sequence[object]) -> None:
        """Delete passages by a condition, with their vectors."""
        rows = [
            r[0] for r in self.run(there, f"SELECT row FROM {{t}}_passages WHERE {which}", told)
        ]
        if rows and self.dimension_in(there):
            self.run(there, "DELETE FROM {t}_vectors WHERE row = ANY(%s)", [rows])
        if rows:
            self.run(there, "DELETE FROM {t}_passages WHERE row = ANY(%s)", [rows])

    def forget(self, there: Any, keep: int) -> None:
        """Delete all versions but the newest, and the passages that none of these has."""
        self.run(there, sql.TRIM, [keep])
        oldest = self.one(there, "SELECT min(number) FROM {t}_versions")
        if oldest is not None:
            self.delete(there, "until <= %s", [oldest])

    def vacuum(self, how: str) -> None:
        """Let the server take back the room of what was deleted.

        Args:
            how: ``ANALYZE``, or ``FULL, ANALYZE`` to write tables and indexes anew.
        """
        with self.errors():
            there = self._connection()
            for table in self.tables(there):
                there.execute(f"VACUUM ({how}) {table}")

    def tables(self, there: Any) -> list[str]:
        """Names of the tables that hold what was put."""
        known = ["passages", "versions", "about"]
        if self.dimension_in(there):
            known.append("vectors")
        return [f"{self._table}_{name}" for name in known]

    @contextlib.contextmanager
    def reading(self, *, own: bool = False) -> Iterator[Any]:
        """A connection that sees one state of the database; None if the tables are not there.

        Args:
            own: A connection of its own, for one who reads for long.
        """
        with self.errors(), contextlib.ExitStack() as stack:
            there = self._connect() if own else self._connection()
            if own:
                stack.callback(there.close)
            if there.info.transaction_status.name == "INTRANS":  # within another one
                yield there
                return
            stack.enter_context(there.transaction())
            there.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield there if self._is_there(there) else None

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """A connection in a transaction of its own, which ends whole or not at all."""
        with self.errors():
            there = self._connection()
            with there.transaction():
                there.execute(f"SET LOCAL lock_timeout = {_WAIT_MS}")
                there.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self._table])
                if not self._is_there(there):
                    for statement in sql.TABLES.split(";\n")[:-1]:
                        self.run(there, statement)
                    self.tell(there, "format", sql.FORMAT)
                yield there

    def disconnect(self) -> None:
        """Close all connections."""
        while self._all:
            self._all.pop().close()
        self._mine = threading.local()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the server as ours, without passwords."""
        psycopg = _library()
        try:
            yield
        except psycopg.errors.LockNotAvailable as error:
            raise StoreError(
                f"another process has been writing for {_WAIT_MS // 1000} s",
                where=self.where,
                mend="Wait until it has finished.",
            ) from error
        except psycopg.OperationalError as error:
            raise ResourceError(
                f"the database does not answer: {_first(error)}",
                where=self.where,
                mend="Check that the server runs, and user, password and rights.",
            ) from error
        except psycopg.Error as error:
            raise StoreError(
                f"the passage store fails: {_first(error)}", where=self.where
            ) from error

    def _connection(self) -> Any:
        there = getattr(self._mine, "connection", None)
        if there is None or there.closed:
            there = self._mine.connection = self._connect()
            self._all.append(there)
        return there

    def _connect(self) -> Any:
        return _library().connect(
            reveal_url(self._url), autocommit=True, connect_timeout=_CONNECT_S
        )

    def _is_there(self, there: Any) -> bool:
        if self.one(there, "SELECT to_regclass('{t}_about')") is None:
            return False
        if (found := self.about(there, "format")) != str(sql.FORMAT):
            raise StoreError(
                f"this store has format {found}; this Luthier reads {sql.FORMAT}",
                where=self.where,
                mend="Build it anew under another table name.",
            )
        return True

    def _fix_dimension(self, there: Any, dimension: int) -> None:
        """Make the table of vectors: pgvector's where the server has it and lets us."""
        psycopg = _library()
        self.tell(there, "dimension", dimension)
        if not dimension:
            return
        kind = "bytea"
        known = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
        if self.one(there, known):
            with contextlib.suppress(psycopg.errors.InsufficientPrivilege), there.transaction():
                there.execute("CREATE EXTENSION IF NOT EXISTS vector")
                kind = "vector"
        self.tell(there, "vectors", kind)
        self.run(there, sql.VECTORS % (f"vector({dimension})" if kind == "vector" else kind))


def _library() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ResourceError(
            "PostgreSQL's library is not installed", mend="pip install 'psycopg[binary]'"
        ) from error
    return psycopg


def _packed(vectors: Vectors, first: int, pgvector: bool) -> bytes:
    """Rows of numbers and vectors as PostgreSQL's binary COPY takes them, all at once."""
    count, size = vectors.shape
    inner: list[tuple[Any, ...]] = [("numbers", "<f4", size)]
    if pgvector:
        inner = [("size", ">i2"), ("unused", ">i2"), ("numbers", ">f4", size)]
    kind = np.dtype(
        [("fields", ">i2"), ("row_bytes", ">i4"), ("row", ">i8"), ("bytes", ">i4"), *inner]
    )
    made = np.zeros(count, kind)
    made["fields"], made["row_bytes"] = 2, 8
    made["row"] = np.arange(first, first + count)
    made["bytes"] = np.dtype(inner).itemsize
    if pgvector:
        made["size"] = size
    made["numbers"] = vectors
    head = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    return head + made.tobytes() + b"\xff\xff"


def _first(error: BaseException) -> str:
    return redact(str(error).strip().partition("\n")[0])
