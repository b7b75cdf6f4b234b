"""A log in one SQLite file: read before it is there, written by several, refused when damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from luthier.core import log_file
from luthier.core.errors import ResourceError, StoreError
from luthier.core.log_file import LogFile


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS told (what TEXT)")


def log(path: Path, version: int = 1) -> LogFile:
    return LogFile(path, "diary", version, _make, "Begin another.")


def test_reading_makes_no_file_and_writing_does(tmp_path: Path) -> None:
    path = tmp_path / "below" / "diary.sqlite"
    assert log(path).read("SELECT * FROM told") == []
    assert not path.exists()
    with log(path).writing() as connection:
        connection.execute("INSERT INTO told VALUES ('a')")
    assert log(path).read("SELECT what FROM told WHERE what = ?", ["a"]) == [("a",)]


def test_two_writers_share_it_and_closing_opens_again(tmp_path: Path) -> None:
    one, two = log(tmp_path / "d"), log(tmp_path / "d")
    for name, each in (("a", one), ("b", two), ("c", one)):
        with each.writing() as connection:
            connection.execute("INSERT INTO told VALUES (?)", [name])
        each.close()
    assert [row[0] for row in one.read("SELECT what FROM told")] == ["a", "b", "c"]


def test_newer_damaged_locked_and_unwritable_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with log(tmp_path / "new", version=2).writing():
        pass
    with pytest.raises(StoreError, match="newer Luthier"):
        log(tmp_path / "new").read("SELECT 1")
    (tmp_path / "text").write_text("no database at all, but long enough to be read as a header")
    with pytest.raises(StoreError, match="no diary") as damaged:
        log(tmp_path / "text").read("SELECT 1")
    assert damaged.value.mend == "Begin another."
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResourceError, match="cannot use the diary"):
        log(tmp_path / "folder").read("SELECT 1")
    monkeypatch.setattr(log_file, "WAIT_S", 0.1)
    held = log(tmp_path / "held")
    with held.writing() as connection:
        connection.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(StoreError, match="stayed locked"),
            log(tmp_path / "held").writing() as w,
        ):
            w.execute("INSERT INTO told VALUES ('a')")
        connection.execute("ROLLBACK")
