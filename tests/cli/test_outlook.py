"""``--dry-run`` shows each stage's state and the plan, says what is missing, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import main

PROJECT = """
name: shop
data:
  sources: [{kind: csv, path: faq.csv}]
  split: {test: 0.3, validation: 0.1}
model:
  name: scratch
  scratch: {vocab_size: 300, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1,
            num_attention_heads: 1, max_position_embeddings: 128}
setup: {device: cpu, precision: float32}
tune: {lr: 1e-3}
rag: null
evaluate: {routes: [base, fine-tuned]}
"""
ROWS = [f"Which gauge has string {i} of the set?,Gauge {i * 7}." for i in range(30)]
ALL = ["collect", "prepare", "leakage", "model", "tune", "compare", "bundle", "report"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    (tmp_path / "faq.csv").write_text("\n".join(["question,answer", *ROWS]))
    return tmp_path


def luthier(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def states(*words: str) -> dict[str, Any]:
    done = luthier(*words, "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)["stages"]
    return told


def test_before_anything_is_made(project: Path) -> None:
    found = states("run")
    assert list(found) == ALL
    assert {one["state"] for one in found.values()} == {"to do"}
    assert found["bundle"]["why"] == "settled once 'compare' is made"
    assert found["bundle"]["artifact"] is found["report"]["artifact"] is None
    assert list(states("tune")) == ALL[:5]
    assert sorted(p.name for p in project.iterdir()) == ["faq.csv", "luthier.yaml"]


def test_what_is_made_is_told_from_what_is_to_do(project: Path) -> None:
    before = states("run")
    made = luthier("data", "split", "--json", "--quiet")
    assert json.loads(made.stdout)["artifact"] == before["prepare"]["artifact"]
    found = states("run")
    assert [name for name, one in found.items() if one["state"] == "made"] == ALL[:2]
    assert found["collect"]["wall_s"] >= 0
    other = states("run", "--set", "seed=5")
    assert [name for name, one in other.items() if one["state"] == "made"] == ["collect"]


def test_the_screen(project: Path) -> None:
    done = luthier("run", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "  tune     to do" in done.stdout
    assert "tokens at once" in done.stdout
    assert "8 stages: 0 made already, 8 to do; nothing was written" in done.stdout


def test_settings_that_a_search_will_find(project: Path) -> None:
    space = "search={trials: 2, space: {lr: {low: 1e-4, high: 1e-3}}}"
    found = states("tune", "--set", space)
    assert found["search"]["artifact"]
    assert found["tune"]["why"] == "settled once 'search' is made"
    assert found["tune"]["artifact"] is None


def test_what_is_missing_is_named_behind_the_rest(project: Path) -> None:
    (project / "faq.csv").unlink()
    done = luthier("run", "--dry-run")
    assert done.exit_code == 3
    assert "tokens at once" in done.stdout
    assert "missing" in done.stdout
    assert "faq.csv" in done.stderr
    gone = luthier("run", "--dry-run", "--json", "--set", "model={name: ./gone}")
    assert gone.exit_code == 3
    told = json.loads(gone.stdout)["stages"]
    assert [name for name, one in told.items() if one["state"] == "missing"] == ["collect", "model"]
    assert "no such" in told["model"]["why"]


def test_an_encoder_cannot_learn_to_answer(project: Path, tiny_encoder: Path) -> None:
    sets = ("--set", f"model={{name: {tiny_encoder}}}", "--json")
    dry, done = luthier("tune", "--dry-run", *sets), luthier("tune", "--quiet", *sets)
    assert dry.exit_code == done.exit_code == 5
    assert dry.stderr == done.stderr
    assert "no chat template" in json.loads(dry.stdout)["stages"]["model"]["why"]
    labels = ("--set", "tune.objective=classification", "--set", "evaluate=null")
    dry = luthier("tune", "--dry-run", *sets, *labels)
    assert dry.exit_code == 0, dry.output
    assert json.loads(dry.stdout)["stages"]["model"]["state"] == "to do"


def test_what_does_not_fit_is_said(project: Path) -> None:
    shape = ("hidden_size=65536", "intermediate_size=65536", "num_hidden_layers=500")
    sets = [word for one in shape for word in ("--set", f"model.scratch.{one}")]
    done = luthier("tune", "--dry-run", "--json", *sets)
    assert done.exit_code == 8, done.output
    told = json.loads(done.stdout)
    assert told["stages"]["model"]["state"] == "missing"
    assert "tuning needs" in told["stages"]["model"]["why"]
    assert told["plan"] == {}
