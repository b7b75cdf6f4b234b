"""``luthier run``: settings reach the pipeline; the result goes to the screen or out as JSON."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result as Outcome

import luthier
from luthier.cli.main import main
from luthier.core.errors import StoreError
from luthier.core.progress import Progress, Quiet, Terminal

PROJECT = "name: demo\ndata:\n  sources:\n    - kind: pydoc\n      packages: [json]\n"


class FakePipeline(types.ModuleType):
    """Notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__("luthier.pipeline")
        self.calls: list[dict[str, Any]] = []
        self.error: BaseException | None = None

    def run(self, project: Any, base: Path, progress: Progress, *, until: str = "report") -> Any:
        self.calls.append({"project": project, "base": base, "progress": progress, "until": until})
        if self.error:
            raise self.error
        return types.SimpleNamespace(
            artifacts={}, plan={}, seconds_s=1.5, as_json=lambda: {"naïve": 1}
        )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, "luthier.pipeline", fake)
    monkeypatch.setattr(luthier, "pipeline", fake, raising=False)
    return fake


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    return tmp_path / "luthier.yaml"


def call(*arguments: str) -> Outcome:
    return CliRunner().invoke(main, list(arguments))


def test_the_file_here_is_the_default(pipeline: FakePipeline, project: Path) -> None:
    result = call("run")
    assert result.exit_code == 0
    asked = pipeline.calls[0]
    assert asked["project"].name == "demo"
    assert asked["base"] == Path()
    assert asked["until"] == "report"
    assert isinstance(asked["progress"], Terminal)
    assert "0 stages in 1.5 s" in result.stdout


def test_paths_start_from_the_project_file(
    pipeline: FakePipeline, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert call("run", str(project)).exit_code == 0
    assert pipeline.calls[0]["base"] == project.parent


def test_options(pipeline: FakePipeline, project: Path) -> None:
    options = ("--set", "tune.lr=1e-4", "--set", "seed=7", "--json", "--quiet")
    result = call("run", *options)
    assert json.loads(result.stdout) == {"naïve": 1}
    asked = pipeline.calls[0]
    assert asked["project"].tune.lr == 1e-4
    assert asked["project"].seed == 7
    assert isinstance(asked["progress"], Quiet)


def test_wrong_settings_stop_before_the_pipeline(pipeline: FakePipeline, project: Path) -> None:
    result = call("run", "--set", "tune.epoch=2", "--set", "seed=x")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: \n"
        "  --set tune.epoch: unknown key; did you mean 'epochs'?\n"
        "  --set seed: expected a whole number, found the text 'x'\n"
    )
    assert pipeline.calls == []


def test_errors_of_the_pipeline(pipeline: FakePipeline, project: Path) -> None:
    pipeline.error = StoreError("locked", where="x.lock")
    result = call("run", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (7, "", "error: x.lock: locked\n")
    pipeline.error = KeyboardInterrupt()
    assert call("run").exit_code == 130


def test_progress_stays_off_standard_output(pipeline: FakePipeline, project: Path) -> None:
    original = pipeline.run

    def talkative(*args: Any, **kwargs: Any) -> Any:
        args[2].say("working")
        return original(*args, **kwargs)

    pipeline.run = talkative  # type: ignore[method-assign]
    result = call("run", "--json")
    assert json.loads(result.stdout) == {"naïve": 1}
    assert "working" in result.stderr
