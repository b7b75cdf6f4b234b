"""The answer log: what is acknowledged stays, whoever writes and whoever dies."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luthier.core.errors import ResourceError, StoreError
from luthier.core.journal import AnswerRecord, Journal, LoggedPassage, now
from luthier.core.records import Message


def record(answer_id: str, **changes: object) -> AnswerRecord:
    base = AnswerRecord(
        id=answer_id,
        at=now(),
        bundle="b" * 64,
        route="rag",
        model="docs",
        conversation=(Message("system", "Be short."), Message("user", "Wie heißt es? 🎻")),
        answer="So: “it”.",
        passages=(LoggedPassage("a#0", "a", "a.py:3", 0.75),),
        citations=("a#0",),
        latency_s=0.5,
        first_token_s=None,
        prompt_tokens=7,
        completion_tokens=3,
        finish_reason="stop",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written = record("ans-1", first_token_s=0.1)
    Journal(tmp_path / "deep" / "log.sqlite").append(written)
    assert Journal(tmp_path / "deep" / "log.sqlite").get("ans-1") == written
    assert written.question == "Wie heißt es? 🎻"


def test_ids_may_be_shortened_but_not_beyond_doubt(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log.sqlite")
    for name in ("ans-12", "ans-1", "ans-3%"):
        journal.append(record(name))
    assert journal.get("ans-12").id == "ans-12"
    assert journal.get("ans-1").id == "ans-1"  # exact, though another begins so
    assert journal.get("ans-3").id == "ans-3%"
    assert journal.get("last").id == "ans-3%"
    with pytest.raises(StoreError, match="several answers"):
        journal.get("ans-")
    with pytest.raises(StoreError, match="no answer 'ans-_'"):
        journal.get("ans-_")  # no wildcards


def test_records_since(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log.sqlite")
    day = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    for hour in (3, 1, 2):
        at = (day + dt.timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        journal.append(record(f"ans-{hour}", at=at))
    assert [r.id for r in journal.records()] == ["ans-1", "ans-2", "ans-3"]
    elsewhere = dt.timezone(dt.timedelta(hours=5))
    since = (day + dt.timedelta(hours=2)).astimezone(elsewhere)
    assert [r.id for r in journal.records(since)] == ["ans-2", "ans-3"]


def test_a_log_that_is_not_there_is_empty_and_is_not_made_by_reading(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none" / "log.sqlite")
    assert journal.records() == []
    with pytest.raises(StoreError, match="no answer 'last'"):
        journal.get("last")
    assert not (tmp_path / "none").exists()


def test_an_id_is_logged_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log.sqlite")
    journal.append(record("ans-1"))
    with pytest.raises(StoreError, match="logged already"):
        journal.append(record("ans-1"))
    journal.close()
    assert len(journal.records()) == 1


def test_files_that_are_no_log(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    path.write_text("not a database, but long enough to have a header of its own" * 20)
    with pytest.raises(StoreError, match="no answer log"):
        Journal(path).append(record("ans-1"))
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer Luthier"):
        Journal(path).records()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResourceError, match="cannot use"):
        Journal(tmp_path / "folder").append(record("ans-1"))


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from test_journal import record
from luthier.core.journal import Journal
journal = Journal(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    journal.append(record(f"{sys.argv[2]}-{i}"))
    print(i, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count), here],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    writers = [writer(path, name, 100) for name in ("a", "b", "c")]
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    ids = {r.id for r in Journal(path).records()}
    assert ids == {f"{name}-{i}" for name in "abc" for i in range(100)}


def test_a_killed_writer_loses_nothing_it_had_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    process = writer(path, "a", 1_000_000)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.communicate(timeout=30)[0].splitlines()
    began = time.monotonic()
    journal = Journal(path)
    ids = {r.id for r in journal.records()}
    assert len(acknowledged) >= 50
    assert {f"a-{line.strip()}" for line in acknowledged if line.strip()} <= ids
    journal.append(record("after"))  # the dead writer's lock went with it
    assert time.monotonic() - began < 10


def test_a_log_of_the_first_version_is_gone_on_with(tmp_path: Path) -> None:
    path, old = tmp_path / "log.sqlite", record("ans-old")
    journal = Journal(path)
    journal.append(old)
    journal.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as log:
        for name in ("tools", "tool_calls"):
            log.execute(f"ALTER TABLE answers DROP COLUMN {name}")
        log.execute("PRAGMA user_version = 1")
    assert Journal(path).get("ans-old") == old
    new = record("ans-new", tools="[1]", tool_calls="[2]", finish_reason="tool_calls")
    Journal(path).append(new)
    assert Journal(path).records() == [old, new]
