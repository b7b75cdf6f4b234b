"""``luthier tune`` asks the pipeline to stop there, and shows what was learnt."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result as Outcome

import luthier
from luthier import pipeline as real
from luthier.cli.main import main
from luthier.core.progress import Progress, Quiet
from luthier.core.store import Artifact

PROJECT = "name: demo\ndata:\n  sources: [{kind: csv, path: faq.csv}]\nclassifier: head\n"
SIDE = {
    "rows": 40, "right": 38, "accuracy": 0.95, "macro_f1": 0.912, "minority_recall": 0.75,
    "rare_rows": 8, "rare_right": 6, "calibration_error": 0.031,
}  # fmt: skip
TOLD: dict[str, dict[str, Any]] = {
    "collect": {"rows": 100},
    "classify": {
        "kind": "head", "labels": 3, "trained_on": 1234, "epochs": 23, "best_epoch": 13,
        "seconds": 3.2, "temperature": 0.87, "rare": ["refund"], "validation": None, "test": SIDE,
        "classes": {"refund": {"train_rows": 6, "test_rows": 8, "test_right": 6}},
    },
    "tune": {
        "steps": 12, "rows": 90, "loss_first": 4.2, "loss_last": 1.9, "best_step": 10,
        "validation_loss_before": 4.3, "validation_loss": 2.1, "tokens": 8300,
        "seconds": 14.0, "tokens_per_s": 592.0,
    },
}  # fmt: skip


class FakePipeline(types.ModuleType):
    """Notes what it was asked for, and makes what the project asks for."""

    def __init__(self) -> None:
        super().__init__("luthier.pipeline")
        self.calls: list[dict[str, Any]] = []

    def run(self, project: Any, base: Path, progress: Progress, *, until: str) -> Any:
        self.calls.append({"base": base, "progress": progress, "until": until})
        off = {"tune": project.tune is None, "classify": project.classifier is None}
        made = {
            stage: Artifact(stage, "0" * 64, Path("somewhere") / stage, told, {}, 2.5, False)
            for stage, told in TOLD.items()
            if not off.get(stage)
        }
        return real.RunResult(made, {}, 1.5)


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, "luthier.pipeline", fake)
    monkeypatch.setattr(luthier, "pipeline", fake, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luthier.yaml").write_text(PROJECT)
    return fake


def call(*arguments: str) -> Outcome:
    return CliRunner().invoke(main, ["tune", *arguments])


@pytest.mark.parametrize(
    "words",
    [
        "head · 3 labels · 1,234 rows · best after 13 of 23 passes · in 3.2 s",
        "macro-F1 0.912 · accuracy 0.950 (38 of 40) · rare recall 0.750 (6 of 8)",
        "calibration error 0.031",
        "rare labels refund: 6 of 8 after 6 rows",
        "somewhere/classify",
        "training 4.20 to 1.90 · validation 4.300 to 2.100 · best at step 10",
        "8,300 tokens · in 14 s · 592 tokens/s",
        "somewhere/tune",
    ],
)
def test_what_was_learnt_and_where_it_lies(pipeline: FakePipeline, words: str) -> None:
    result = call()
    assert result.exit_code == 0, result.stderr
    assert words in " ".join(result.stdout.split())
    assert pipeline.calls[0]["until"] in get_args(real.Stop)
    assert "100 rows" not in result.stdout


def test_what_the_project_does_not_train_is_left_out(pipeline: FakePipeline) -> None:
    assert "Classifier" not in call("--set", "classifier=null").stdout
    assert "Tuning" not in call("--set", "tune=null").stdout


def test_json_is_the_stages_and_nothing_else(pipeline: FakePipeline) -> None:
    told = json.loads(call("--json", "--quiet").stdout)
    assert list(told) == ["classify", "tune"]
    assert told["classify"]["summary"]["test"] == SIDE
    assert isinstance(pipeline.calls[0]["progress"], Quiet)


def test_nothing_to_train_is_said_before_anything_is_made(pipeline: FakePipeline) -> None:
    result = call("--set", "tune=null", "--set", "classifier=null")
    assert (result.exit_code, result.stdout, pipeline.calls) == (2, "", [])
    assert "luthier.yaml: this project trains nothing" in result.stderr
    assert "`classifier: head`" in result.stderr
