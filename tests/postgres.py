"""A real PostgreSQL for tests: Debian's own, in a folder of its own, on loopback, for one session.

The server refuses to run as root, so there it is started as Debian's user ``postgres``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PASSWORD = "hunter2/@:?%"  # all that must be encoded in a URL


class CannotStartError(Exception):
    """Why there is no server here."""


@dataclasses.dataclass(frozen=True)
class Postgres:
    """A running server with the database and superuser ``postgres``."""

    folder: Path
    port: int
    programs: Path

    def url(self, password: str, database: str = "postgres") -> str:
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, statements: str) -> None:
        """Run statements over the server's socket."""
        done = subprocess.run(
            [self.programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", statements],
            env={
                "PGHOST": str(self.folder),
                "PGPORT": str(self.port),
                "PGUSER": "postgres",
                "PGPASSWORD": PASSWORD,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def postgres(programs: Path | None = None) -> Iterator[Postgres]:
    """Make and start a server; stop and delete it at the end.

    Args:
        programs: The folder of its programs; by default the newest that Debian installed.

    Raises:
        CannotStartError: PostgreSQL is not installed, or does not start.
    """
    programs = programs or _installed()
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
    try:
        server = _start(programs, folder)
        try:
            yield server
        finally:
            _run([programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _installed() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = str(found[-1]) if found else shutil.which("initdb")
    if program is None:
        raise CannotStartError("install PostgreSQL (Debian's package `postgresql`) to test it")
    return Path(program).resolve().parent


def _start(programs: Path, folder: Path) -> Postgres:
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            raise CannotStartError("PostgreSQL needs a user `postgres` to run as") from None
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    login = ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--username=postgres"]
    _run([programs / "initdb", "-D", data, "--encoding=UTF8", "--locale=C", "--no-sync", *login])
    said = ""
    for _ in range(3):  # another program may take the port first
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        settings = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c full_page_writes=off"
        start = [programs / "pg_ctl", "-D", data, "-w", "-t", "300", "-l", folder / "log"]
        with contextlib.suppress(CannotStartError):
            _run([*start, "-o", settings, "start"])
            return Postgres(folder, port, programs)
        said = (folder / "log").read_text()[-300:] if (folder / "log").exists() else ""
    raise CannotStartError(f"PostgreSQL does not start: {said}")


def _run(command: Sequence[object]) -> None:
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    # The server keeps its parent's output open, so that must not be a pipe.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(part) for part in command], cwd="/", stdout=output, stderr=output, **user
        )
        output.seek(0)
        said = output.read().decode(errors="replace")
    if done.returncode:
        raise CannotStartError(f"{Path(str(command[0])).name} fails: {said[-300:]}")
