"""``luthier gc`` deletes what no kept bundle needs, and says what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import main
from luthier.core.store import Artifact, Store


def fill(folder: Path) -> dict[str, Any]:
    (folder / "model.bin").write_bytes(b"y" * 5000)
    return {}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Store, Artifact, Artifact]:
    """A store, a kept artifact, and one that nobody keeps."""
    store = Store(tmp_path / "store")
    kept, stray = (store.make("tune", 1, {"lr": lr}, fill) for lr in (1e-3, 2e-3))
    store.keep("latest", kept)
    return store, kept, stray


def call(store: Store, *options: str) -> Result:
    return CliRunner().invoke(main, ["gc", "--store", str(store.root), *options])


def test_a_dry_run_only_tells(made: tuple[Store, Artifact, Artifact]) -> None:
    store, _, stray = made
    result = call(store, "--dry-run")
    assert result.exit_code == 0
    first, last = result.output.splitlines()
    assert first.endswith(f" kB  {stray.name}")
    assert last.startswith("1 folder would be deleted, 5.")
    assert stray.path.is_dir()


def test_the_unkept_is_deleted(made: tuple[Store, Artifact, Artifact]) -> None:
    store, kept, stray = made
    assert "1 folder was deleted" in call(store).output
    assert [a.name for a in store.all()] == [kept.name]
    assert not stray.path.exists()
    assert call(store).output == "nothing to delete\n"


def test_json(made: tuple[Store, Artifact, Artifact]) -> None:
    store, _, stray = made
    (gone,) = json.loads(call(store, "--json").stdout)
    assert gone["name"] == stray.name
    assert gone["bytes"] > 5000


def test_nothing_is_deleted_under_a_working_run(made: tuple[Store, Artifact, Artifact]) -> None:
    store, _, stray = made

    def working(folder: Path) -> dict[str, Any]:
        result = call(store)
        return {"code": result.exit_code, "said": result.stderr}

    told = store.make("index", 1, {}, working).summary
    assert told["code"] == 7
    assert "is being made by another process" in told["said"]
    assert stray.path.is_dir()


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert call(Store(tmp_path / "none")).output == "nothing to delete\n"
    assert not (tmp_path / "none").exists()
