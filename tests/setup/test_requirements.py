"""What the package needs is read where it stands, and held against what is installed."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from luthier.setup._requirements import (
    Declared,
    Requirement,
    by_extra,
    declared,
    included,
    lacking,
    parse,
)

PYPROJECT = """
[project]
name = "luthier"
dependencies = ["click>=8.1"]
[project.optional-dependencies]
models = ["torch>=2.9"]
search = ["luthier[models]", "optuna>=4.0"]
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("torch>=2.9; extra == 'tune'", Requirement("torch", "2.9", "tune")),
        ("ruamel_yaml>=0.18", Requirement("ruamel-yaml", "0.18", "")),
        ('psycopg[binary]>=3.1; extra == "data"', Requirement("psycopg", "3.1", "data")),
        ("psutil", Requirement("psutil", "", "")),
        ("luthier[models]; extra == 'tune'", None),
    ],
)
def test_lines_of_metadata(line: str, wanted: Requirement | None) -> None:
    assert parse(line) == wanted


def test_extras_within_extras() -> None:
    assert included(["luthier[a, b]; extra == 'c'", "torch; extra == 'a'"]) == {"c": {"a", "b"}}


@pytest.mark.parametrize(
    ("installed", "fits"),
    [("2.9", True), ("2.9.0+cpu", True), ("2.10.0rc1", True), ("2.8.9", False), ("3", True)],
)
def test_versions_are_compared_as_numbers(installed: str, fits: bool) -> None:
    assert (lacking(Requirement("torch", "2.9.0", ""), installed) == "") is fits


def test_a_source_tree_is_read_as_it_stands_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was installed before it had the feature ``search``."""
    package = tmp_path / "luthier-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: luthier\nVersion: 1\nRequires-Dist: click>=8.1\n")
    source = {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
    (package / "direct_url.json").write_text(json.dumps(source))
    monkeypatch.setattr(
        importlib.metadata,
        "distribution",
        lambda _: importlib.metadata.Distribution.at(package),
    )
    assert declared() == Declared(("click>=8.1",)), "there is no pyproject.toml"
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    found = declared()
    assert found.source == str(tmp_path)
    needs = by_extra(found)
    assert [r.name for r in needs["core"]] == ["click"]
    assert [r.name for r in needs["search"]] == ["optuna", "torch"]
