"""Listing the store, and showing one artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import main
from luthier.cli.show import human_age, human_size
from luthier.core.ledger import Ledger
from luthier.core.store import Artifact, Store


def collect(folder: Path) -> dict[str, Any]:
    ledger = Ledger()
    for line in (3, 9):
        ledger.refuse("empty answer", f"faq.csv:{line}")
    ledger.change("spaces trimmed", "faq.csv:2")
    ledger.write(folder)
    (folder / "big.bin").write_bytes(b"x" * 120_000)
    return {"documents": 12}


def small(folder: Path) -> dict[str, Any]:
    (folder / "model.bin").write_bytes(b"y" * 10)
    return {"steps": 7}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Store, Artifact, Artifact, Artifact]:
    """Rows, a kept model tuned on them, and a model nobody keeps."""
    store = Store(tmp_path / "[store]")
    rows = store.make("collect", 1, {"source": "abc"}, collect)
    model = store.make("tune", 1, {"rows": rows, "lr": 1e-3}, small, recorded={"device": "cpu"})
    stray = store.make("tune", 1, {"rows": rows, "lr": 2e-3}, small)
    store.keep("latest", model)
    return store, rows, model, stray


def call(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--store", str(store.root)])


def test_the_list(made: tuple[Store, Artifact, Artifact, Artifact]) -> None:
    store, rows, model, stray = made
    result = call(store, "show")
    assert result.exit_code == 0
    lines = {line.split()[0]: line.rstrip() for line in result.output.splitlines()[1:4]}
    assert set(lines) == {rows.name, model.name, stray.name}
    assert lines[rows.name].endswith("latest")
    assert lines[model.name].endswith("latest")
    assert lines[stray.name].endswith("-")
    assert "12" in lines[rows.name].split("kB")[0]
    assert "`luthier gc` would free" in result.output


def test_the_list_as_json(made: tuple[Store, Artifact, Artifact, Artifact]) -> None:
    store, rows, _, _ = made
    listed = json.loads(call(store, "show", "--json").stdout)
    first = next(row for row in listed if row["name"] == rows.name)
    assert first["stage"] == "collect"
    assert first["kept_by"] == ["latest"]
    assert first["bytes"] > 120_000


def test_one_artifact(made: tuple[Store, Artifact, Artifact, Artifact]) -> None:
    store, rows, model, _ = made
    text = call(store, "show", rows.name).output
    assert "documents: 12" in text
    assert "big.bin" in text
    assert "2  empty answer  (first: faq.csv:3)" in text
    assert "1  spaces trimmed  (first: faq.csv:2)" in text
    facts = json.loads(call(store, "show", "--json", model.name).stdout)
    assert facts["made_from"] == [rows.name]
    assert facts["manifest"]["recorded"] == {"device": "cpu"}
    assert facts["files"]["model.bin"] == 10


def test_the_beginning_of_a_name_is_enough(
    made: tuple[Store, Artifact, Artifact, Artifact],
) -> None:
    store, rows, _, _ = made
    assert rows.name in call(store, "show", "coll").output
    several = call(store, "show", "tune")
    assert several.exit_code == 7
    assert "2 artifacts named 'tune'" in several.stderr


def test_an_empty_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert "nothing made yet" in call(store, "show").output
    assert call(store, "show", "x").exit_code == 7
    assert not store.root.exists()


def test_sizes_and_ages() -> None:
    sizes = [0, 999, 1000, 99_400, 999_499, 999_999, 3_400_000, 2 * 10**15]
    assert [human_size(n) for n in sizes] == [
        "0 B", "999 B", "1.0 kB", "99.4 kB", "999 kB", "1.0 MB", "3.4 MB", "2000 TB",
    ]  # fmt: skip
    moment = 1_000_000_000.0  # 2001-09-09T01:46:40Z
    ages = [-5, 0, 59, 60, 7200, 86400 * 3]
    assert [human_age("2001-09-09T01:46:40Z", moment + age) for age in ages] == [
        "0 s", "0 s", "59 s", "1 min", "2 h", "3 d",
    ]  # fmt: skip
