"""``luthier decide``."""

from __future__ import annotations

import json
from pathlib import Path

import deciding
from click.testing import CliRunner

from luthier.cli.main import main


def test_a_screen_and_json(tiny_encoder: Path, tmp_path: Path) -> None:
    path = deciding.write(tmp_path, tiny_encoder)
    words = ["decide", str(path), "--quiet", "--set", "tune=null"]
    words += ["--set", "decide.routes=[base, extractive]"]
    shown = CliRunner().invoke(main, words, catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert "What is commonly advised" in shown.output
    assert "decision.html" in shown.output.replace("\n", "")
    told = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    assert set(told["routes"]) == {"base", "extractive"}
    assert told["advice"]["pick"] in told["routes"]


def test_a_route_without_its_section_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    path = deciding.write(tmp_path, tiny_encoder)
    words = ["decide", str(path), "--set", "rag=null", "--set", "decide.routes=[base, rag]"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "needs a 'rag' section" in result.output


def test_no_project_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["decide", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "no such file" in result.output
