"""The store: whole or absent, one maker at a time, nothing remade, nothing needed deleted."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import ResourceError, StoreError
from luthier.core.spec import Spec, runtime
from luthier.core.store import MANIFEST, Artifact, Store, write_atomic


class Settings(Spec):
    lr: float = 1e-3
    workers: int = runtime(1)


class Fill:
    """Writes a file and counts how often it was asked to."""

    def __init__(self, text: str = "hello") -> None:
        self.text, self.calls = text, 0

    def __call__(self, folder: Path) -> dict[str, Any]:
        self.calls += 1
        (folder / "out.txt").write_text(self.text)
        return {"length": len(self.text)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def left_overs(store: Store) -> list[str]:
    """Everything that is neither finished nor a lock."""
    return [
        str(p.relative_to(store.root))
        for p in store.root.rglob("*")
        if p.is_file() and p.parent.name != "locks"
    ]


def test_made_once_then_reused(store: Store) -> None:
    fill = Fill()
    first = store.make("tune", 1, {"spec": Settings()}, fill)
    again = store.make("tune", 1, {"spec": Settings()}, fill)
    assert fill.calls == 1
    assert (first.reused, again.reused) == (False, True)
    assert first.path == again.path == store.root / "artifacts" / first.name
    assert again.summary == {"length": 5}
    assert (again.path / "out.txt").read_text() == "hello"
    assert not list((store.root / "drafts").iterdir())


def test_a_numeric_field_renames_and_a_runtime_field_does_not(store: Store) -> None:
    fill = Fill()
    first = store.make("tune", 1, {"spec": Settings()}, fill)
    assert store.make("tune", 1, {"spec": Settings(workers=8)}, fill).name == first.name
    names = {
        first.name,
        store.make("tune", 1, {"spec": Settings(lr=2e-3)}, fill).name,
        store.make("tune", 2, {"spec": Settings()}, fill).name,
        store.make("index", 1, {"spec": Settings()}, fill).name,
        store.make("tune", 1, {"spec": Settings(), "source": "abc"}, fill).name,
    }
    assert len(names) == 5


def test_runtime_fields_are_recorded_all_the_same(store: Store) -> None:
    made = store.make("tune", 1, {"spec": Settings(workers=8)}, Fill(), recorded={"device": "cpu"})
    manifest = json.loads((made.path / MANIFEST).read_text())
    assert manifest["inputs"] == {"spec": {"lr": 1e-3}}
    assert manifest["recorded"] == {"spec": {"lr": 1e-3, "workers": 8}, "device": "cpu"}
    assert made.inputs == manifest["inputs"]


def test_an_artifact_as_input_chains_the_lineage(store: Store) -> None:
    rows = store.make("collect", 1, {"source": "a"}, Fill())
    other = store.make("collect", 1, {"source": "b"}, Fill())
    model = store.make("tune", 1, {"rows": rows, "more": {"list": [other]}}, Fill())
    bundle = store.make("bundle", 1, {"model": model, "rows": rows}, Fill())
    assert [a.name for a in store.lineage(bundle)] == [a.name for a in (bundle, model, rows, other)]
    changed = store.make("tune", 1, {"rows": other, "more": {"list": [other]}}, Fill())
    assert changed.name != model.name


def test_a_failed_fill_leaves_nothing(store: Store) -> None:
    def broken(folder: Path) -> dict[str, Any]:
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.make("tune", 1, {}, broken)
    assert left_overs(store) == []
    assert store.make("tune", 1, {}, Fill()).reused is False


def test_a_resumable_fill_goes_on_in_its_draft(store: Store) -> None:
    def steps(folder: Path, upto: int) -> dict[str, Any]:
        log = folder / "steps.txt"
        done = len(log.read_text()) if log.exists() else 0
        log.write_text("x" * upto)
        if upto < 5:
            raise RuntimeError("stopped")
        return {"resumed_at": done}

    with pytest.raises(RuntimeError, match="stopped"):
        store.make("tune", 1, {}, lambda f: steps(f, 3), resumable=True)
    assert store.all() == []
    made = store.make("tune", 1, {}, lambda f: steps(f, 5), resumable=True)
    assert made.summary == {"resumed_at": 3}


def test_a_draft_that_is_not_resumable_starts_empty(store: Store) -> None:
    made = store.make("tune", 1, {}, Fill())
    draft = store.root / "drafts" / made.name
    os.replace(made.path, draft)  # as a killed process may have left it
    (draft / MANIFEST).unlink()
    (draft / "stale.txt").write_text("old")
    again = store.make("tune", 1, {}, Fill())
    assert sorted(p.name for p in again.path.iterdir()) == [MANIFEST, "out.txt"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "big.bin"),
        RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_leaves_nothing_half_made(store: Store, error: Exception) -> None:
    def full(folder: Path) -> dict[str, Any]:
        (folder / "half.bin").write_bytes(b"x" * 100)
        raise error

    with pytest.raises(ResourceError, match="disk is full") as caught:
        store.make("index", 1, {}, full)
    assert caught.value.exit_code == 8
    assert "luthier gc" in caught.value.mend
    assert left_overs(store) == []
    assert store.make("index", 1, {}, Fill()).reused is False


def test_a_disk_that_fills_up_at_the_manifest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(ResourceError, match="disk is full"):
            store.make("tune", 1, {}, Fill())
    assert left_overs(store) == []
    assert store.make("tune", 1, {}, Fill()).reused is False


def test_other_errors_of_a_fill_pass_unchanged(store: Store) -> None:
    def broken(folder: Path) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.make("tune", 1, {}, broken)


WORKER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from luthier.core.store import Store

    def fill(folder):
        (folder / "step.txt").write_text("3")
        print("ready", flush=True)
        time.sleep(60)
        return {}

    Store(Path(sys.argv[1])).make("tune", 1, {}, fill, resumable=True)
    """
)


@pytest.fixture
def worker(store: Store) -> Any:
    """Another process in the middle of a resumable stage."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(store.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_holds_the_lock(
    store: Store, worker: subprocess.Popen[str]
) -> None:
    with pytest.raises(StoreError, match=rf"made by another process \(pid {worker.pid}\)"):
        store.make("tune", 1, {}, Fill(), resumable=True)


def test_garbage_is_not_collected_under_a_working_run(
    store: Store, worker: subprocess.Popen[str]
) -> None:
    rows = store.make("collect", 1, {}, Fill())
    with pytest.raises(StoreError, match=f"pid {worker.pid}"):
        store.collect_garbage()
    assert rows.path.is_dir()


def test_kill_nine_leaves_a_draft_to_resume_and_nothing_finished(
    store: Store, worker: subprocess.Popen[str]
) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert store.all() == []

    def resume(folder: Path) -> dict[str, Any]:
        return {"step": int((folder / "step.txt").read_text())}

    assert store.make("tune", 1, {}, resume, resumable=True).summary == {"step": 3}


def test_open_by_an_unambiguous_beginning(store: Store) -> None:
    tuned = store.make("tune", 1, {}, Fill())
    store.make("index", 1, {"a": 1}, Fill())
    store.make("index", 1, {"a": 2}, Fill())
    assert store.open("tune").name == tuned.name
    assert store.open(tuned.name[:8]).digest == tuned.digest
    with pytest.raises(StoreError, match="2 artifacts named 'index'"):
        store.open("index")
    with pytest.raises(StoreError, match="no artifact named 'nope'"):
        store.open("nope")


def test_a_damaged_manifest_says_what_to_do(store: Store) -> None:
    made = store.make("tune", 1, {}, Fill())
    (made.path / MANIFEST).write_text('{"stage": "tune"')
    with pytest.raises(StoreError, match="damaged artifact"):
        store.make("tune", 1, {}, Fill())


def test_all_is_oldest_first(store: Store) -> None:
    made = [store.make("s", 1, {"n": n}, Fill()) for n in range(3)]
    for age, artifact in enumerate(made):
        os.utime(artifact.path, (time.time() - age * 100,) * 2)
    assert [a.name for a in store.all()] == [a.name for a in reversed(made)]


def family(store: Store) -> tuple[Artifact, Artifact, Artifact]:
    rows = store.make("collect", 1, {}, Fill())
    model = store.make("tune", 1, {"rows": rows}, Fill())
    stray = store.make("tune", 1, {"rows": rows, "lr": 1}, Fill("stray"))
    return rows, model, stray


def test_garbage_is_what_no_kept_root_needs(store: Store) -> None:
    rows, model, stray = family(store)
    store.keep("demo", model)
    draft = store.root / "drafts" / "tune-dead"
    draft.mkdir(parents=True)
    (draft / "x.bin").write_bytes(b"12345")
    size = sum(p.stat().st_size for p in stray.path.iterdir())
    expected = [(stray.name, size), ("tune-dead", 5)]
    assert store.collect_garbage(dry_run=True) == expected
    assert stray.path.is_dir()
    assert store.collect_garbage() == expected
    assert {a.name for a in store.all()} == {rows.name, model.name}
    assert not draft.exists()
    assert store.collect_garbage() == []


def test_a_root_can_move_on(store: Store) -> None:
    rows, model, stray = family(store)
    store.keep("demo", model)
    store.keep("demo", stray)
    assert store.kept() == {"demo": stray.name}
    assert [name for name, _ in store.collect_garbage()] == [model.name]
    assert rows.path.is_dir()


def test_half_deleted_artifacts_are_unseen_and_go_with_the_next_collection(store: Store) -> None:
    _, model, stray = family(store)
    store.keep("demo", model)
    os.replace(stray.path, stray.path.with_name(f".{stray.name}.123"))  # killed in mid-deletion
    assert stray.name not in {a.name for a in store.all()}
    assert len(store.collect_garbage()) == 1
    assert len(list((store.root / "artifacts").iterdir())) == 2


def test_a_damaged_root_is_an_error_not_a_licence_to_delete(store: Store) -> None:
    _, model, _ = family(store)
    store.keep("demo", model)
    (store.root / "keep" / "demo.json").write_text("{")
    with pytest.raises(StoreError, match="damaged root"):
        store.collect_garbage()
    assert model.path.is_dir()


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert (store.all(), store.kept(), store.collect_garbage()) == ([], {}, [])
    assert not store.root.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="no permission"):
        Store(tmp_path / "store").make("tune", 1, {}, Fill())


def test_write_atomic_keeps_the_old_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "old")

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="full"):
        write_atomic(path, "new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_file_where_the_store_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    for root in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(StoreError, match="a file stands where the store should be"):
            Store(root).make("stage", 1, {}, lambda folder: {})


def test_looking_writes_nothing_and_names_what_would_be_made(tmp_path: Path) -> None:
    store, fill = Store(tmp_path / "store"), Fill()
    first = store.look("one", 1, {"settings": Settings()})
    second = store.look("two", 1, {"one": first})
    assert not first.finished
    assert not second.finished
    assert not (tmp_path / "store").exists()
    made = store.make("one", 1, {"settings": Settings()}, fill)
    assert (made.name, made.path) == (first.name, first.path)
    assert store.make("two", 1, {"one": made}, fill).name == second.name
    again = store.look("one", 1, {"settings": Settings()})
    assert (again.finished, again.reused, again.summary) == (True, True, {"length": 5})
    assert not store.look("one", 2, {"settings": Settings()}).finished
