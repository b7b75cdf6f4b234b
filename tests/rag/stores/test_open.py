"""Stores in several processes: killed ones, many at once; and what an erasure leaves behind."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from store_child import DOCUMENTS, state
from stored_rows import contents, table

from luthier.core.errors import ConfigError, ResourceError, StoreError
from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.store import Change, PassageStore

TESTS = Path(__file__).parents[2]
SECRET = "zyzzogeton"


@contextmanager
def _child(place: Any, job: str, name: str, first: int) -> Iterator[subprocess.Popen[str]]:
    spec, folder = place.spec.model_dump_json(), str(place.folder)
    command = [sys.executable, str(TESTS / "store_child.py"), job, spec, folder, name, str(first)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _states(store: PassageStore, version: int) -> set[str]:
    return {p.text for p in contents(store, version).values() if "once" not in p.document_id}


def test_a_killed_writer_loses_nothing_it_acknowledged(place: Any) -> None:
    """Killed at any moment of apply, erase, optimize and prune; then others go on."""
    chance = random.Random(5)
    first = 1
    for _ in range(4):
        with _child(place, "write", "w", first) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(2)]
            assert told[1].startswith(("done", "erased")), process.communicate()
            time.sleep(chance.random() * 0.6)
            process.kill()
            told += process.communicate()[0].splitlines()
        done = max(int(t.split()[1]) for t in told if t.startswith(("done", "erased")))
        erased = {f"wonce{t.split()[1]}" for t in told if t.startswith("erased")}
        store = place.open()
        version = store.version()
        assert version in [v.number for v in store.versions()]
        (text,) = _states(store, version)
        assert int(text.removeprefix("w state")) >= done
        assert len(set(store.match("w", 99, Slice(), version))) >= 2 * DOCUMENTS
        for one in store.versions():
            there = contents(store, one.number)
            assert len(there) == one.passages
            assert not erased & {p.document_id for p in there.values()}
            assert len(_states(store, one.number)) == 1
        first = int(text.removeprefix("w state")) + 1
        store.apply(Change(table(state("w", first), "again")))
        assert _states(store, store.version()) == {f"w state{first}"}
        first += 1


def test_readers_and_writers_at_once_see_whole_changes(place: Any) -> None:
    with (
        _child(place, "add", "a", 1) as one,
        _child(place, "add", "b", 1) as two,
        _child(place, "read", "a", 25) as three,
    ):
        said = [process.communicate(timeout=280) for process in (one, two, three)]
    assert [p.returncode for p in (one, two, three)] == [0, 0, 0], said
    assert [out.count("done") for out, _ in said] == [8, 8, 25]
    lines = said[2][0].splitlines()
    assert {line.split()[0] for line in lines} == {"ready", "done"}, lines
    store = place.open()
    assert store.version() == 16
    there = contents(store, 16)
    assert {p.text for p in there.values() if p.document_id == "ad0"} == {"a state8"}
    assert {p.text for p in there.values() if p.document_id == "bd0"} == {"b state8"}


def _secret(document: str, word: str = SECRET) -> list[Passage]:
    return [
        Passage(
            f"{document}#{i}", document, f"title {word}", f"oak {word} text {i}", "f:1", i,
            i + 1, context=f"around {word}", meta={"who": word},
        )
        for i in range(3)
    ]  # fmt: skip


def test_what_is_erased_is_nowhere(place: Any) -> None:
    """No leg, no version and no byte on the disk has it, also for those who had looked before."""
    store, reader = place.open(), place.open()
    kept = state("k", 1)
    first = store.apply(Change(table(kept + _secret("s1") + _secret("s2"))))
    store.apply(Change(table(_secret("s1"), "2")))
    before = store.apply(Change(gone=("s2",)))
    assert SECRET in str(contents(reader, first))
    assert reader.match(SECRET, 9, Slice(), before)
    asked = table(_secret("s1"))["vector"].combine_chunks().flatten().to_numpy().reshape(3, -1)
    assert "s1#0" in reader.nearest(asked, 3, Slice(), before)[0]
    assert _on_disk(place, SECRET)  # or the last line of this test could not fail
    newest = store.erase(["s1", "s2", "never there"])
    assert newest == store.version() == reader.version() > before
    for opened in (store, reader, place.open()):
        for one in opened.versions():
            everything = str(contents(opened, one.number)) + str(opened.digests(one.number))
            assert SECRET not in everything
            assert "s1" not in everything
            assert len(contents(opened, one.number)) == one.passages
            assert opened.match(SECRET, 9, Slice(), one.number) == {}
            assert not {"s1#0", "s2#0"} & set(opened.take(["s1#0", "s2#0"], Slice(), one.number))
            near = opened.nearest(asked, 99, Slice(), one.number)
            assert not any(i.startswith("s") for found in near for i in found)
            assert opened.match(SECRET, 9, Slice(where={"who": (SECRET,)}), one.number) == {}
        assert contents(opened, newest) == {p.id: p for p in kept}
    assert not _on_disk(place, SECRET)
    assert store.apply(Change(table(_secret("s3")))) == newest + 1
    assert set(store.match(SECRET, 9, Slice(), newest + 1)) == {"s3#0", "s3#1", "s3#2"}


def test_one_can_go_back_to_what_was_before_an_erasure_but_for_what_was_erased(place: Any) -> None:
    store = place.open()
    first = store.apply(Change(table(_secret("s1"))))
    second = store.apply(Change(table(state("k", 1))))
    third = store.apply(Change(table(state("k", 2), "2"), gone=("kd0",)))
    was = contents(store, third)
    newest = store.erase(["s1"])
    assert [one.number for one in store.versions()] == [first, second, third, newest]
    assert contents(store, first) == {}
    assert contents(store, second) == {p.id: p for p in state("k", 1)}
    assert contents(store, third) == {k: p for k, p in was.items() if p.document_id != "s1"}
    assert len(store.match("state1", 99, Slice(), second)) == len(contents(store, second))
    back = store.restore(second)
    assert contents(place.open(), back) == {p.id: p for p in state("k", 1)}
    store.optimize()
    assert contents(place.open(), third) == {k: p for k, p in was.items() if p.document_id != "s1"}


def _on_disk(place: Any, word: str) -> bool:
    if place.server is not None:
        return _in_tables(place, word)
    files = [p for p in place.folder.rglob("*") if p.is_file()]
    return any(word.encode() in path.read_bytes() for path in files)


def _in_tables(place: Any, word: str) -> bool:
    """Whether a word stands in a file of the database's tables and indexes."""
    server = place.server
    server.run("CHECKPOINT")
    for path in (server.folder / "data" / "base").rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # the server replaces some
            if word.encode() in path.read_bytes():
                return True
    return False


def test_all_documents_can_be_erased(place: Any) -> None:
    store = place.open()
    store.apply(Change(table(_secret("s1", "hapaxleg"))))
    newest = store.erase(["s1"])
    assert contents(store, newest) == {}
    assert not _on_disk(place, "hapaxleg")
    again = store.apply(Change(table(state("k", 1))))
    assert len(store.match("k", 99, Slice(), again)) == 2 * DOCUMENTS + 2


def test_a_reader_of_a_forgotten_version_is_told_so(place: Any) -> None:
    store, reader = place.open(), place.open()
    for number in range(3):
        store.apply(Change(table(state("k", number))))
    assert reader.match("k", 9, Slice(), 1)
    store.prune(1)
    for ask in (reader.match, lambda *a: list(reader.rows(a[3])), lambda *a: reader.digests(a[3])):
        with pytest.raises(StoreError, match="no version 1"):
            ask("k", 9, Slice(), 1)
    assert reader.match("k", 9, Slice(), 3)


def test_settings_name_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("", "chroma", "postgresql://me:secret@host/db", "mysql://host/db"):
        with pytest.raises(ValidationError):
            StoreSpec(backend=wrong)
    with pytest.raises(ValidationError):
        StoreSpec(table="a;b")
    monkeypatch.delenv("NOT_SET", raising=False)
    there = open_store(StoreSpec(backend="postgresql://me:${NOT_SET}@127.0.0.1:1/db"), tmp_path)
    with pytest.raises(ConfigError, match="NOT_SET"):
        there.version()
    monkeypatch.setenv("NOT_SET", "hunter2")
    with pytest.raises(ResourceError, match="does not answer") as told:
        there.version()
    assert "hunter2" not in str(told.value)
    assert dataclasses.asdict(Change()) == {"rows": None, "gone": (), "note": ""}
