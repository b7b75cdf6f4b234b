"""What is LanceDB's own: commits that no record names, and files that pile up."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_child import state
from stored_rows import contents, table

from luthier.core.errors import StoreError
from luthier.rag.access import Slice
from luthier.rag.stores.lance import LanceStore
from luthier.rag.stores.store import Change


def _filled(folder: Path) -> LanceStore:
    store = LanceStore(folder)
    store.apply(Change(table(state("k", 1))))
    return store


def test_what_a_killed_writer_committed_is_taken_back(tmp_path: Path) -> None:
    """Killed between LanceDB's commit and the record: nobody sees it, and the next one goes on."""
    store = _filled(tmp_path)
    record = (tmp_path / "store.json").read_bytes()
    store.apply(Change(gone=("kd0", "kd1")))
    (tmp_path / "store.json").write_bytes(record)
    again = LanceStore(tmp_path)
    assert again.version() == 1
    assert "kd0#0" in contents(again, 1)
    assert again.apply(Change(gone=("kd2",))) == 2
    assert {"kd0#0", "kd1#0"} <= set(contents(again, 2))
    assert "kd2#0" not in contents(again, 2)


def test_a_table_that_no_record_names_is_swept_away(tmp_path: Path) -> None:
    """Killed while the first table is made, or before the old one of an erasure is deleted."""
    store = _filled(tmp_path)
    (tmp_path / "store.json").unlink()
    again = LanceStore(tmp_path)
    assert again.version() == 0
    assert again.apply(Change(table(state("k", 5)))) == 1
    assert {p.text for p in contents(again, 1).values()} == {"k state5"}
    (tmp_path / "lance" / "passages-7.lance").mkdir()
    again.optimize()
    assert [p.name for p in (tmp_path / "lance").iterdir()] == ["passages-1.lance"]
    assert store.match("state5", 99, Slice(), 1)


def test_a_reader_follows_when_files_are_put_in_order(tmp_path: Path) -> None:
    store, reader = _filled(tmp_path), LanceStore(tmp_path)
    for number in range(2, 9):
        store.apply(Change(table(state("k", number))))
    before = contents(reader, 8)
    assert reader.match("state8", 99, Slice(), 8)
    store.prune(1)  # deletes the files that the reader has open
    for one in (reader, LanceStore(tmp_path)):
        assert contents(one, 8) == before
        assert len(one.match("state8", 99, Slice(), 8)) == 14


def test_files_do_not_pile_up(tmp_path: Path) -> None:
    store = LanceStore(tmp_path, keep=3)
    for number in range(45):
        store.apply(Change(table(state("k", number))))
    assert store.health()["changes"] < 20
    store.prune(1)
    health = store.health()
    assert health["files"] < 60
    assert health["bytes"] < 1_000_000


def test_lost_files_are_told(tmp_path: Path) -> None:
    _filled(tmp_path)
    for path in (tmp_path / "lance").rglob("*.lance"):
        if path.is_file():
            path.unlink()
    with pytest.raises(StoreError, match="passage store fails"):
        contents(LanceStore(tmp_path), 1)
