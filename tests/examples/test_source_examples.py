"""The PostgreSQL and the bucket of docs/data/databases.md give the rows that the page says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from luthier import config
from luthier.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
SECRET = "hunter2/@:?%"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the examples that need a server."""
    shutil.copytree(
        EXAMPLES / "sources",
        tmp_path / "sources",
        ignore=shutil.ignore_patterns(".luthier", "s3-cache"),
    )
    (tmp_path / "sms").mkdir()
    shutil.copy(EXAMPLES / "sms" / "messages.csv", tmp_path / "sms")
    return tmp_path / "sources"


def collect(folder: Path, setting: str) -> dict[str, Any]:
    arguments = ["data", "collect", str(folder / "luthier.yaml"), "--json", "--quiet"]
    done = CliRunner().invoke(main, [*arguments, "--set", f"data.sources.0.{setting}"])
    assert done.exit_code == 0, done.stderr
    for path in (folder / ".luthier").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    told: dict[str, Any] = json.loads(done.stdout)["summary"]
    return told


@pytest.mark.parametrize("kind", ["postgres", "s3"])
def test_the_project_files_are_valid(kind: str) -> None:
    config.load(EXAMPLES / "sources" / kind / "luthier.yaml")


def test_messages_in_a_postgresql(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not [*Path("/usr/lib/postgresql").glob("*/bin/initdb")] and not shutil.which("initdb"):
        pytest.skip("NOT TESTED: install PostgreSQL (Debian's package `postgresql`)")
    monkeypatch.setenv("SMS_PASSWORD", SECRET)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "server.py", str(port)],
        cwd=folder / "postgres",
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(f"289 messages on 127.0.0.1:{port}")
        url = f"url=postgresql://reader:${{SMS_PASSWORD}}@127.0.0.1:{port}/sms"
        told = collect(folder / "postgres", url)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=60)
    assert (told["documents"], told["rows"], told["refused"]) == (67, 144, 0)
    assert told["changed"] == {"missing value filled": 6}
    assert server.returncode == 0


def test_messages_in_a_bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto.server", reason="NOT TESTED: pip install 'moto[s3,server]'")
    monkeypatch.setenv("SMS_KEY", "reader")
    monkeypatch.setenv("SMS_SECRET", SECRET)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        fill = [sys.executable, "fill.py", f"http://{host}:{port}"]
        done = subprocess.run(
            fill, cwd=folder / "s3", env=os.environ, capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("s3://sms/messages/2026-01.csv.gz: 97 messages\n")
        told = collect(folder / "s3", f"endpoint_url=http://{host}:{port}")
    finally:
        server.stop()
    assert (told["documents"], told["rows"], told["refused"]) == (93, 180, 3)
    assert told["reasons"] == {"missing value": 3}
