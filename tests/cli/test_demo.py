"""``luthier demo`` copies the example once, whole, and runs the copy."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import luthier
from luthier.cli import demo
from luthier.cli.main import main
from luthier.core.errors import ResourceError

PROJECT = "name: example\ndata:\n  sources:\n    - kind: pydoc\n      packages: [json]\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with an example of its own; returns the example's folder."""
    package = tmp_path / "site" / "luthier"
    example = package / "_examples" / "python-docs"
    example.mkdir(parents=True)
    (example / "luthier.yaml").write_text(PROJECT)
    (example / "README.md").write_text("about")
    (example / ".luthier").mkdir()
    monkeypatch.setattr(luthier, "__file__", str(package / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    return example


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What the pipeline is asked for: (name of project, base)."""
    calls: list[tuple[str, Path]] = []
    fake = types.ModuleType("luthier.pipeline")

    def run(project: Any, base: Path, progress: object) -> Any:
        calls.append((project.name, base))
        return types.SimpleNamespace(artifacts={}, plan={}, seconds_s=0.0)

    fake.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "luthier.pipeline", fake)
    monkeypatch.setattr(luthier, "pipeline", fake, raising=False)
    return calls


def test_the_example_is_copied_and_run(installed: Path, asked: list[tuple[str, Path]]) -> None:
    assert CliRunner().invoke(main, ["demo"]).exit_code == 0
    assert asked == [("example", Path("luthier-demo"))]
    assert sorted(p.name for p in Path("luthier-demo").iterdir()) == ["README.md", "luthier.yaml"]


def test_a_changed_copy_is_used_as_it_is(installed: Path, asked: list[tuple[str, Path]]) -> None:
    CliRunner().invoke(main, ["demo", "--folder", "here"])
    copy = Path("here/luthier.yaml")
    copy.write_text(copy.read_text().replace("example", "mine"))
    CliRunner().invoke(main, ["demo", "--folder", "here"])
    result = CliRunner().invoke(main, ["demo", "--folder", "here", "--set", "name=other"])
    assert result.exit_code == 0
    assert asked == [("example", Path("here")), ("mine", Path("here")), ("other", Path("here"))]


def test_the_source_tree_is_the_second_place(tmp_path: Path, installed: Path) -> None:
    source = tmp_path / "examples" / "python-docs"  # beside site/, as beside src/
    shutil.copytree(installed, source)
    assert demo.example_folder() == installed
    shutil.rmtree(installed)
    assert demo.example_folder() == source
    shutil.rmtree(source)
    with pytest.raises(ResourceError, match="lacks the example"):
        demo.example_folder()


def test_a_copy_that_fails_leaves_no_project_file(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = shutil.copyfile

    def failing(source: Path, target: Path) -> Any:
        if Path(source).name == "luthier.yaml":
            Path(target).write_text("name: ha")
            raise OSError(28, "No space left on device", str(target))
        return original(source, target)

    monkeypatch.setattr(shutil, "copyfile", failing)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 8
    assert "the disk is full" in result.stderr
    assert [p.name for p in (tmp_path / "luthier-demo").iterdir()] == ["README.md"]
