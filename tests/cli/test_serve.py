"""`luthier serve`: options reach the server, and what hinders it is told with exit code 9."""

from __future__ import annotations

import socket
from pathlib import Path

from click.testing import CliRunner

from luthier.cli.main import main


def test_without_a_bundle(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["serve", "--store", str(tmp_path / "store")])
    assert done.exit_code == 9
    assert "there is no bundle yet" in done.output
    assert "luthier run" in done.output


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    options = ["serve", str(tmp_path), "--store", str(tmp_path / "store"), "--port", "0"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 9
    assert "there is no bundle here" in done.output


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["serve", str(tmp_path), "--port", port])
    assert done.exit_code == 9
    assert f"127.0.0.1:{port}" in done.output


def test_a_port_out_of_range(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["serve", str(tmp_path), "--port", "70000"]).exit_code == 2


def test_a_living_index_is_a_projects(tmp_path: Path) -> None:
    options = ["serve", str(tmp_path), "--store", str(tmp_path / "store"), "--living"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code != 0
    assert "--project" in done.output
