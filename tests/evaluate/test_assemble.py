"""The report's data follows from what the stages left behind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from luthier.core.progress import Quiet
from luthier.core.records import Example, write_table
from luthier.core.store import Artifact
from luthier.evaluate.assemble import CURVE_POINTS, from_artifacts
from luthier.evaluate.compare import EvaluateSpec, compare
from luthier.evaluate.report import render

PLAN = {
    "machine": "AMD EPYC", "device": "cpu", "threads": 2, "precision": "bfloat16",
    "memory_bytes": 2**34, "memory_needed_bytes": 3 * 2**29,
}  # fmt: skip
TOLD: dict[str, Mapping[str, Any]] = {
    "collect": {"documents": 90, "rows": 10, "reasons": {"empty": 7}, "changed": {"cut": 2}},
    "prepare": {"examples": 60, "reasons": {"answer too long": 3}},
    "leakage": {"leakage": {"leaks": False, "lines": ["nothing found"]}},
    "model": {
        "name": "starter", "architecture": "LlamaForCausalLM", "parameters": 11_800_000,
        "bytes": 23_600_000, "context_length": 1024, "vocab_size": 8192,
    },
    "tune": {
        "method": "lora", "trainable": 400_000, "steps": 3, "stopped_early": True,
        "tokens": 1234, "tokens_per_s": 100.4, "seconds": 12.0, "rows": 40,
        "rows_validation": 5, "reasons": {"too long": 1}, "validation_loss": 2.0,
        "validation_loss_before": 3.0,
    },
    "classify": {
        "kind": "head", "labels": 3, "trained_on": 1234, "temperature": 0.871, "seconds": 3.2,
        "validation": None,
        "test": {
            "rows": 40, "right": 38, "accuracy": 0.95, "macro_f1": 0.9123, "minority_recall": 0.75,
            "rare_rows": 8, "rare_right": 6, "calibration_error": 0.0312,
        },
    },
    "index": {"documents": 90, "passages": 1200, "seconds": 60.2, "passages_per_s": 20.0},
}  # fmt: skip


def write_history(folder: Path, steps: int) -> None:
    rows = [[step, 4.0 - step / steps, 1e-3, step * 10] for step in range(1, steps + 1)]
    history = {
        "train": rows,
        "validation": [{"step": 0, "loss": 4.5}, {"step": steps, "loss": 2.0}],
    }
    (folder / "history.json").write_text(json.dumps(history))


@pytest.fixture
def made(tmp_path: Path, fake: Any, example: Any) -> dict[str, Artifact]:
    """Artifacts of a run with every stage."""
    artifacts = {}
    for stage, summary in TOLD.items():
        folder = tmp_path / f"{stage}-{'0' * 16}"
        folder.mkdir()
        artifacts[stage] = Artifact(stage, "0" * 64, folder, dict(summary), {}, 3.0, True)
    sides = ("test", "train", "train", "validation")
    rows = [
        example(str(i), f"What is {i}?", f"It is {i}.", side=sides[i % 4], kind="fact")
        for i in range(40)
    ]
    write_table(artifacts["prepare"].path / "examples.parquet", rows, Example)
    write_history(artifacts["tune"].path, 3)
    folder = tmp_path / "compare"
    folder.mkdir()
    spec = EvaluateSpec(routes=("base", "fine-tuned"), resamples=1000, latency_items=2)
    items = [row for row in rows if row.side == "test"]
    routes = {"base": fake(lambda q: "x"), "fine-tuned": fake(lambda q: f"It is {q[8:-1]}.")}
    summary = compare(spec, items, routes, folder, Quiet(), seed=0)
    artifacts["compare"] = Artifact("compare", "0" * 64, folder, dict(summary), {}, 3.0, False)
    return artifacts


def test_half_of_the_weights_is_tuned_at_a_time(made: dict[str, Artifact]) -> None:
    made["tune"].summary["method"] = "half"
    plan = from_artifacts("docs", made, PLAN).plan
    assert plan["method"] == "half, 400,000 weights at a time"


def test_every_stage_has_its_part(made: dict[str, Artifact]) -> None:
    data = from_artifacts("docs", made, PLAN)
    assert data.project == "docs"
    assert data.comparison is made["compare"].summary
    assert data.leakage == {"leaks": False, "lines": ["nothing found"]}
    assert [(s.name, s.kept) for s in data.steps] == [
        ("collected", 100), ("questions", 60), ("tuning rows", 45),
    ]  # fmt: skip
    assert data.steps[0].changed == {"cut": 2}
    assert data.split == {"train": {"fact": 20}, "validation": {"fact": 10}, "test": {"fact": 10}}
    assert list(data.split) == ["train", "validation", "test"]
    assert data.machine["free memory"] == "17.18 GB"
    assert data.model["parameters"] == "11,800,000"
    assert data.plan["steps"] == "3, stopped early"
    assert data.plan["method"] == "lora, 400,000 weights"
    assert data.plan["validation loss"] == "3.000 to 2.000 nats per token"
    assert data.classifier == {
        "kind": "head", "learnt": "3 labels from 1,234 rows", "temperature": "0.87",
        "time": "3.2 s", "test: macro-F1": "0.912", "test: accuracy": "0.950 (38 of 40)",
        "test: recall of rare labels": "0.750 (6 of 8)", "test: calibration error": "0.031",
    }  # fmt: skip
    assert data.index["passages"] == "1,200"
    assert data.samples
    assert {a.route for one in data.samples for a in one.answers} == {"base", "fine-tuned"}
    assert [(row.stage, row.reused) for row in data.lineage] == [
        (stage, stage != "compare") for stage in made
    ]


def test_losses_are_in_order_of_steps_with_their_tokens(made: dict[str, Artifact]) -> None:
    losses = from_artifacts("docs", made, PLAN).losses
    told = [(p.step, p.tokens, p.train is not None, p.validation) for p in losses]
    assert told == [
        (0, 0, False, 4.5), (1, 10, True, None), (2, 20, True, None), (3, 30, True, None),
        (3, 30, False, 2.0),
    ]  # fmt: skip


def test_a_long_curve_is_averaged(made: dict[str, Artifact]) -> None:
    steps = CURVE_POINTS * 4
    write_history(made["tune"].path, steps)
    points = [p for p in from_artifacts("docs", made, PLAN).losses if p.train is not None]
    assert len(points) == CURVE_POINTS
    assert points[0].step == 4
    assert points[0].train == pytest.approx(4.0 - 2.5 / steps)
    assert points[-1].step == steps


def test_stages_that_were_not_made_are_left_out(made: dict[str, Artifact]) -> None:
    few = {stage: made[stage] for stage in ("collect", "prepare", "model")}
    data = from_artifacts("docs", few, PLAN)
    assert (data.comparison, data.leakage, data.losses, data.samples) == (None, None, (), ())
    assert (data.plan, data.classifier, data.index) == ({}, {}, {})
    assert [step.name for step in data.steps] == ["collected", "questions"]


def test_no_validation_side_no_validation_loss(made: dict[str, Artifact]) -> None:
    made["tune"].summary["validation_loss"] = None
    assert "validation loss" not in from_artifacts("docs", made, PLAN).plan


def test_without_rare_labels_there_is_no_figure_of_them(made: dict[str, Artifact]) -> None:
    told = made["classify"].summary
    none = {**told["test"], "minority_recall": None}
    made["classify"] = dataclasses.replace(made["classify"], summary={**told, "test": none})
    found = from_artifacts("docs", made, PLAN).classifier
    assert found["test: recall of rare labels"] == "–"


def test_the_report_can_be_made_of_it(made: dict[str, Artifact], tmp_path: Path) -> None:
    render(from_artifacts("docs", made, PLAN), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "11,800,000" in page
    assert "luthier trace last" in page
