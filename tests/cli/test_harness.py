"""``luthier harness`` reads the example task without the network, and says what it needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from luthier.cli.main import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "harness" / "violin.yaml"


def test_the_example_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    told = ["harness", str(EXAMPLE), "--with", "starter", "--limit", "3"]
    told += ["--store", str(tmp_path / "s"), "--quiet"]
    shown = CliRunner().invoke(main, told)
    assert shown.exit_code == 0, shown.output
    assert "acc_norm" in shown.output
    (run,) = json.loads(CliRunner().invoke(main, [*told, "--json"]).stdout)
    assert run["reused"]
    assert run["suite"]["kinds"] == {"choice": 3}


def test_a_task_must_be_there(tmp_path: Path) -> None:
    told = ["harness", "absent.yaml", "--with", "starter", "--store", str(tmp_path)]
    shown = CliRunner().invoke(main, told)
    assert shown.exit_code == 3
    assert "no such task" in shown.output
