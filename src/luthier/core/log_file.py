"""A log in one SQLite file: many processes write and read at once, and none loses a line.

The file is in WAL mode: a writer that is killed loses nothing that it committed. (A power cut may
lose the last lines, never damage the file.)
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import ResourceError, StoreError

WAIT_S = 20.0  # how long to wait for other writers


class LogFile:
    """The file, opened when it is first needed. May be used from several threads.

    Args:
        path: The file; made, with its folder, by the first `writing`.
        what: What it is for people, as "answer log".
        version: The format's number.
        make: Makes the tables, or brings those of an older version up to date; called within a
            transaction.
        lost: What a person can do about a file that is damaged or no such log.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        version: int,
        make: Callable[[sqlite3.Connection], None],
        lost: str,
    ) -> None:
        self.path, self.what, self.version = path, what, version
        self._make, self._lost = make, lost
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The open file, for this thread alone; each statement is kept at once.

        Raises:
            StoreError: It is no such log, of a newer Luthier, or stays locked.
            ResourceError: The disk is full, or the file may not be written.
        """
        with self._lock, self._errors():
            yield self._open()

    def read(self, query: str, values: Sequence[str | int] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query; none if the file is not there yet. Raises as `writing`."""
        with self._lock, self._errors():
            if self._connection is None and not self.path.exists():
                return []
            return self._open().execute(query, values).fetchall()

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL and make the tables; several processes may do so at the same moment."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:  # the switch to WAL does not heed the busy timeout, hence the loop
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        connection.execute("PRAGMA synchronous=NORMAL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > self.version:
            raise StoreError(
                f"this {self.what} was written by a newer Luthier (format {found})",
                where=str(self.path),
                mend="Upgrade Luthier, or name another store.",
            )
        if found < self.version:
            connection.execute("BEGIN IMMEDIATE")
            self._make(connection)
            connection.execute(f"PRAGMA user_version = {self.version}")
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        where = str(self.path)
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            if "locked" in str(error):
                raise StoreError(
                    f"the {self.what} stayed locked for {WAIT_S:.0f} s",
                    where=where,
                    mend="Another program holds it open for writing; close that one.",
                ) from error
            raise ResourceError(
                f"cannot use the {self.what}: {error}",
                where=where,
                mend="Check free disk space and permissions.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"this file is no {self.what}, or is damaged: {error}",
                where=where,
                mend=self._lost,
            ) from error
