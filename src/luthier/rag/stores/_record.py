"""What a store folder says of itself (``store.json``), and the lock of the one who writes.

The record is the point at which a change happens: what a killed writer left that no record names
is not there for any reader, and the next writer takes it away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from luthier.core.errors import ResourceError, StoreError
from luthier.core.store import write_atomic
from luthier.rag.stores.store import Version

RECORD_FILE = "store.json"
FORMAT = 1
_LOCK_FILE = "store.lock"
_WAIT_S = 120.0  # how long a writer waits for another
_LOOK_S = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A version and where it is.

    Attributes:
        version: As everyone is told.
        native: Its number in LanceDB; 0 if there is no table yet.
    """

    version: Version
    native: int


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """The state of a store folder.

    Attributes:
        table: Name of the table in the database; "" before the first rows.
        generation: How many tables there were; an erasure makes a new one.
        dimension: Of the vectors; 0 for none, None before the first rows.
        kept: Versions that can be read, oldest first.
        last: The highest number a version ever had.
        changes: Since files and indexes were last put in order.
        search: How vectors are searched, as the recall gate left it; empty for exactly.
        erased: Documents erased so far; a reader's caches go by it.
        optimized_s: When files and indexes were last put in order; 0 for never.
    """

    table: str = ""
    generation: int = 0
    dimension: int | None = None
    kept: tuple[Kept, ...] = ()
    last: int = 0
    changes: int = 0
    search: dict[str, Any] = dataclasses.field(default_factory=dict)
    erased: int = 0
    optimized_s: float = 0.0

    @property
    def newest(self) -> Kept | None:
        """The newest version."""
        return self.kept[-1] if self.kept else None

    @property
    def versions(self) -> list[Version]:
        """Those that can be read, oldest first."""
        return [one.version for one in self.kept]

    def with_version(self, native: int, passages: int, note: str, keep: int) -> Record:
        """A record with one version more, and no more than ``keep`` in all."""
        made = Version(self.last + 1, time.time(), passages, note)
        kept = (*self.kept, Kept(made, native))[-keep:]
        return dataclasses.replace(self, kept=kept, last=made.number)

    def at(self, native: int) -> Record:
        """A record whose newest version, the same as before, is at another native one."""
        return dataclasses.replace(
            self, kept=(*self.kept[:-1], dataclasses.replace(self.kept[-1], native=native))
        )

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        told = {"format": FORMAT, **dataclasses.asdict(self)}
        write_atomic(folder / RECORD_FILE, json.dumps(told, indent=1))


def read_record(folder: Path) -> Record:
    """The state of a store; of an empty one where there is none yet.

    Raises:
        StoreError: The record is damaged or of another format.
    """
    path = folder / RECORD_FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if (found := told.pop("format")) != FORMAT:
            raise StoreError(
                f"this store has format {found}; this Luthier reads {FORMAT}",
                where=str(folder),
                mend="Delete this folder, and `luthier rag index` makes it anew.",
            )
        told["kept"] = tuple(Kept(Version(**k["version"]), k["native"]) for k in told["kept"])
        return Record(**told)
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"damaged store: {RECORD_FILE} cannot be read ({error})",
            where=str(folder),
            mend="Put it back from a copy, or delete the folder and index again.",
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there.

    Raises:
        ResourceError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"cannot write here: {error.strerror}",
        where=str(folder),
        mend="Check who may write there, or name another folder.",
    )


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Be the one who writes; the lock goes with the process.

    Raises:
        StoreError: Another process wrote for too long.
        ResourceError: Nobody may write there.
    """
    path = folder / _LOCK_FILE
    make_folder(folder)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
                    raise StoreError(
                        f"another process (pid {holder}) has been writing for {_WAIT_S:.0f} s",
                        where=str(path),
                        mend="Wait until it has finished; the lock goes with the process.",
                    ) from error
                time.sleep(_LOOK_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
