"""Every command finds the same project; the commands printed lead back to it."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from luthier.cli import _project
from luthier.cli._project import options_for, program, project_file, read_project, store_root
from luthier.cli.main import main
from luthier.core.errors import ConfigError
from luthier.core.store import Store

TEXT = "name: mine\ndata:\n  sources: [{kind: pydoc}]\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def project(folder: Path, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "luthier.yaml").write_text(TEXT + more)
    return folder / "luthier.yaml"


def made(root: Path, stage: str) -> None:
    Store(root).make(stage, 1, {}, lambda folder: {})


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_the_order_in_which_a_project_is_looked_for(here: Path) -> None:
    assert (project_file(None), store_root(None, None)) == (None, Path(".luthier"))
    project(here / "luthier-demo")
    assert project_file(None) == Path("luthier-demo/luthier.yaml")
    assert store_root(None, None) == Path("luthier-demo/.luthier")
    (here / ".luthier").mkdir()
    assert (project_file(None), store_root(None, None)) == (None, Path(".luthier"))
    project(here, "store: made\n")
    assert (project_file(None), store_root(None, None)) == (Path("luthier.yaml"), Path("made"))
    other = project(here / "other", "store: ../far\n")
    assert project_file(Path("other")) == Path("other/luthier.yaml")
    assert store_root(other, None) == here / "other" / ".." / "far"
    assert store_root(other, Path("else")) == Path("else")


def test_a_named_store_needs_no_project_file(here: Path) -> None:
    project(here / "luthier-demo")
    assert read_project(None, Path("else")) is None
    assert store_root(Path("none.yaml"), Path("else")) == Path("else")
    with pytest.raises(ConfigError, match="no such file"):
        store_root(Path("none.yaml"), None)


@pytest.mark.parametrize("command", ["show", "gc"])
def test_the_store_of_the_project_is_read(here: Path, command: str) -> None:
    project(here / "luthier-demo", "store: made\n")
    made(here / "luthier-demo" / "made", "demoed")
    assert "demoed-" in call(command).output
    project(here)
    made(here / ".luthier", "mine")
    assert "mine-" in call(command).output
    project(here / "far")
    made(here / "far" / ".luthier", "fetched")
    assert "fetched-" in call(command, "--project", "far").output
    made(here / "else", "stored")
    assert "stored-" in call(command, "--project", "far", "--store", "else").output


@pytest.mark.parametrize(
    "arguments", [("chat", "--once", "Why?"), ("serve",), ("trace", "last"), ("monitor",)]
)
def test_the_others_look_there_too(here: Path, arguments: tuple[str, ...]) -> None:
    project(here / "luthier-demo", "store: made\n")
    (here / "luthier-demo" / "made" / "keep").mkdir(parents=True)
    (here / "luthier-demo" / "made" / "keep" / "latest.json").write_text("{")
    (here / "luthier-demo" / "made" / "answers.sqlite").write_text("no database at all " * 99)
    result = call(*arguments)
    assert result.exit_code == 7
    assert str(Path("luthier-demo", "made")) in result.stderr


def test_a_wrong_project_file_is_told_by_every_command(here: Path) -> None:
    project(here, "tune: {epoch: 1}\n")
    for arguments in (("show",), ("gc",), ("chat",), ("serve",), ("trace", "last"), ("monitor",)):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "luthier.yaml:4: tune.epoch: unknown key; did you mean 'epochs'?" in result.stderr


def test_serve_listens_where_the_project_says_unless_an_option_does(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def listen(spec: Any) -> None:
        asked.append((spec.host, spec.port))

    monkeypatch.setattr("luthier.serve.serve.serve", lambda path, spec, **_: listen(spec))
    (here / "bundle").mkdir()
    call("serve", "bundle")
    project(here, "serve: {host: localhost, port: 9123}\n")
    call("serve", "bundle")
    call("serve", "bundle", "--port", "0")
    call("serve", "bundle", "--host", "::1", "--store", "else")
    assert asked == [
        ("127.0.0.1", 8000),
        ("localhost", 9123),
        ("localhost", 0),
        ("::1", 9123),
    ]


def test_a_taken_port_of_the_project_is_named(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        project(here, f"serve: {{port: {port}}}\n")
        result = call("serve", str(here))
    assert result.exit_code == 9
    assert f"127.0.0.1:{port}" in result.stderr


def test_monitor_looks_as_far_back_as_the_project_says(here: Path) -> None:
    project(here, "monitor: {window_days: 2}\n")
    assert call("monitor", "--json").stdout.count('"date"') == 3
    assert call("monitor", "--json", "--days", "4").stdout.count('"date"') == 5


def test_options_that_lead_back(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = project(Path("luthier-demo"))
    assert options_for(demo, demo.parent / ".luthier") == ""
    assert options_for(demo, Path("/else")) == " --store /else"
    far = project(Path("far off"))
    assert options_for(far, far.parent / ".luthier") == " --project 'far off/luthier.yaml'"
    mine = project(here)
    assert options_for(mine, here / ".luthier") == ""
    assert options_for(demo, demo.parent / ".luthier") == " --project luthier-demo/luthier.yaml"
    options = shlex.split(options_for(far, Path("my store")))
    made(Path("my store"), "stored")
    assert "stored-" in call("show", *options).output


def test_how_the_program_is_called(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = here / "my env" / "bin" / "luthier"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(here / "none"))
    monkeypatch.setattr(sys, "argv", ["my env/bin/luthier", "run"])
    assert program() == "'my env/bin/luthier'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "luthier"
    monkeypatch.setattr(sys, "argv", ["/any/luthier/__main__.py", "run"])
    assert program() == f"{shlex.quote(sys.executable)} -m luthier"
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert program() == "python -m luthier"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert program() == "luthier"


def test_the_way_it_is_called_works(here: Path) -> None:
    code = "import sys; from luthier.cli._project import program; print(program())"
    source = str(Path(_project.__file__).parents[2])
    python = shlex.quote(sys.executable)
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = '__main__.py'; {code}"],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": source, "PATH": "/nowhere"},
    ).stdout.strip()  # fmt: skip
    assert told == f"{python} -m luthier"
    version = subprocess.run(
        f"{told} --version", shell=True, capture_output=True, text=True, env={"PYTHONPATH": source}
    )
    assert version.returncode == 0, version.stderr
