"""``luthier tune --dry-run`` plans from the settings and a config.json, and makes nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from luthier.cli._plan import show
from luthier.cli.main import main

PROJECT = """
name: shop
data:
  sources: [{kind: csv, path: faq.csv}]
setup: {device: cpu, precision: bfloat16}
"""
SCRATCH = """
model: {name: scratch, scratch: {hidden_size: 64, num_hidden_layers: 3}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    (tmp_path / "faq.csv").write_text("question,answer\nHow many strings?,Four.\n")
    return tmp_path


def test_the_plan_as_json_makes_nothing(project: Path) -> None:
    outcome = CliRunner().invoke(main, ["tune", "--dry-run", "--json"])
    assert outcome.exit_code == 0, outcome.output
    plan = json.loads(outcome.stdout)["plan"]
    assert (plan["device"], plan["precision"]) == ("cpu", "bfloat16")
    assert plan["needs"]["weights"] == 2 * 6_917_376, "the starter's, from its config"
    assert plan["memory_needed_bytes"] > 0
    assert sorted(p.name for p in project.iterdir()) == ["faq.csv", "luthier.yaml"]


def test_settings_change_the_plan(project: Path) -> None:
    def planned(*sets: str) -> dict[str, int]:
        options = [word for one in sets for word in ("--set", one)]
        outcome = CliRunner().invoke(main, ["tune", "--dry-run", "--json", *options])
        found: dict[str, int] = json.loads(outcome.stdout)["plan"]["needs"]
        return found

    assert planned("tune.method=lora")["optimizer"] < planned()["optimizer"] / 2
    assert planned("tune.optimizer=sgd")["optimizer"] == 0
    assert planned("setup.activation_checkpointing=true")["activations"] < planned()["activations"]


def test_a_model_from_scratch_is_planned_before_it_is_made(project: Path) -> None:
    (project / "luthier.yaml").write_text(PROJECT + SCRATCH)
    outcome = CliRunner().invoke(main, ["tune", "--dry-run", "--json"])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["plan"]["needs"]["weights"] > 0


def test_the_screen_says_what_how_much_and_why(project: Path) -> None:
    told = CliRunner().invoke(main, ["tune", "--dry-run", "--json"]).stdout
    out = io.StringIO()
    show(json.loads(told)["plan"], Console(file=out))
    text = out.getvalue()
    assert "tokens at once" in text
    assert "setup.processes lets more share the rows" in text
    assert "for 8,192 tokens per optimizer step" in text
    assert "float32 copies of what is trained" in text
    assert "at most" in text


def test_a_model_that_is_not_there(project: Path) -> None:
    outcome = CliRunner().invoke(main, ["tune", "--dry-run", "--set", "model.name=./gone"])
    assert outcome.exit_code == 5
    assert "no such file or folder" in outcome.stderr
