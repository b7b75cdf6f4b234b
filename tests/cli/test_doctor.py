"""``luthier doctor`` tells what is here, and how to get what is not."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from luthier.cli.doctor import show
from luthier.cli.main import main
from luthier.setup.doctor import Feature, Gpu, examine


def test_json_holds_what_programs_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(main, ["doctor", "--json"])
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert found["ok"] is True
    assert found["cores"] >= 1
    assert found["memory"]["free_bytes"] > 0
    assert found["store"] == ".luthier"
    assert not list(tmp_path.iterdir()), "looking makes nothing"


def test_the_screen_names_what_is_missing_and_the_command(tmp_path: Path) -> None:
    report = dataclasses.replace(
        examine(tmp_path),
        features=(Feature("core", (), ""), Feature("rag", ("lancedb",), "pip install 'x[rag]'")),
        gpus=(Gpu("A GPU", 80 << 30, "9.0", bfloat16=True),),
        notes=("mind the gap",),
    )
    out = io.StringIO()
    show(report, Console(file=out))
    text = out.getvalue()
    assert "A GPU, 85.9 GB, compute capability 9.0, bfloat16" in text
    assert "lancedb" in text
    assert "pip install 'x[rag]'" in text
    assert "mind the gap" in text
    assert "1 of 2 features are ready" in text


def test_the_exit_code_says_that_the_core_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = dataclasses.replace(
        examine(tmp_path), features=(Feature("core", ("numpy",), "pip install luthier"),)
    )
    monkeypatch.setattr("luthier.setup.doctor.examine", lambda store: broken)
    outcome = CliRunner().invoke(main, ["doctor", "--store", str(tmp_path)])
    assert outcome.exit_code == 8
    assert "The core does not work" in outcome.output
