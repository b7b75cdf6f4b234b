"""From the artifacts of a run to the data of its report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from luthier import __version__
from luthier.core.store import Artifact
from luthier.data.prepare import read_examples
from luthier.evaluate._format import DASH, duration
from luthier.evaluate.answers import samples
from luthier.evaluate.report import Command, DataStep, LineageRow, LossPoint, ReportData

CURVE_POINTS = 240  # most points of the training loss; more are averaged


def from_artifacts(
    project: str, made: Mapping[str, Artifact], plan: Mapping[str, Any]
) -> ReportData:
    """Collect what a report shows.

    Args:
        project: The project's name.
        made: Artifacts by stage, see ``pipeline.RunResult``.
        plan: The training plan as plain data.
    """
    summaries = {stage: a.summary for stage, a in made.items()}
    return ReportData(
        project=project,
        made_at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        version=__version__,
        comparison=summaries.get("compare"),
        losses=_losses(made["tune"]) if "tune" in made else (),
        steps=_steps(summaries),
        split=_split(made["prepare"]),
        leakage=summaries.get("leakage", {}).get("leakage"),
        machine=_machine(plan),
        model=_model(summaries["model"]),
        plan=_training(summaries["tune"], plan) if "tune" in summaries else {},
        classifier=_classifier(summaries["classify"]) if "classify" in summaries else {},
        index=_index(summaries["index"]) if "index" in summaries else {},
        samples=samples(made["compare"].path) if "compare" in made else (),
        lineage=tuple(LineageRow(s, a.name, a.reused, a.wall_s) for s, a in made.items()),
        commands=(
            Command("luthier chat", "Talk to the best route."),
            Command("luthier serve", "Serve it to any OpenAI client."),
            Command("luthier trace last", "From an answer to the file and line it rests on."),
            Command("luthier monitor", "Watch volume, latency, refusals and drift."),
        ),
    )


def _losses(tuned: Artifact) -> tuple[LossPoint, ...]:
    history = json.loads((tuned.path / "history.json").read_text(encoding="utf-8"))
    rows = history["train"]
    tokens = {int(row[0]): int(row[3]) for row in rows}
    size = max(1, len(rows) // CURVE_POINTS)
    points = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        mean = sum(row[1] for row in part) / len(part)
        points.append(LossPoint(int(part[-1][0]), int(part[-1][3]), train=mean))
    for line in history["validation"]:
        step = int(line["step"])
        points.append(LossPoint(step, tokens.get(step, 0), validation=line["loss"]))
    return tuple(sorted(points, key=lambda p: p.step))


def _steps(summaries: Mapping[str, Mapping[str, Any]]) -> tuple[DataStep, ...]:
    collected, prepared = summaries["collect"], summaries["prepare"]
    kept = collected["documents"] + collected["rows"]
    steps = [
        DataStep("collected", kept, collected["reasons"], collected["changed"]),
        DataStep("questions", prepared["examples"], prepared["reasons"]),
    ]
    if "tune" in summaries:
        tuned = summaries["tune"]
        rows = tuned["rows"] + tuned["rows_validation"]
        steps.append(DataStep("tuning rows", rows, tuned["reasons"]))
    return tuple(steps)


def _split(prepared: Artifact) -> dict[str, dict[str, int]]:
    split: dict[str, dict[str, int]] = {}
    for example in read_examples(prepared.path):
        kinds = split.setdefault(example.side, {})
        kinds[example.kind] = kinds.get(example.kind, 0) + 1
    return {side: split[side] for side in ("train", "validation", "test") if side in split}


def _machine(plan: Mapping[str, Any]) -> dict[str, str]:
    return {
        "processor": str(plan["machine"]),
        "device": str(plan["device"]),
        "threads": str(plan["threads"]),
        "free memory": _gb(plan["memory_bytes"]),
    }


def _model(facts: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": str(facts["name"]),
        "architecture": str(facts["architecture"]),
        "parameters": f"{facts['parameters']:,}",
        "weights": f"{facts['bytes'] / 1e6:.1f} MB",
        "context": f"{facts['context_length']:,} tokens",
        "vocabulary": f"{facts['vocab_size']:,}",
    }


def _training(tuned: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, str]:
    at_a_time = " at a time" if tuned["method"] == "half" else ""  # each round draws others
    facts = {
        "method": f"{tuned['method']}, {tuned['trainable']:,} weights{at_a_time}",
        "precision": str(plan["precision"]),
        "memory planned": _gb(plan["memory_needed_bytes"]),
        "steps": f"{tuned['steps']:,}" + (", stopped early" if tuned["stopped_early"] else ""),
        "tokens": f"{tuned['tokens']:,}",
        "speed": f"{tuned['tokens_per_s']:,.0f} tokens/s",
        "time": f"{tuned['seconds']:,.0f} s",
    }
    if tuned["validation_loss"] is not None:
        before, after = tuned["validation_loss_before"], tuned["validation_loss"]
        facts["validation loss"] = f"{before:.3f} to {after:.3f} nats per token"
    return facts


def _classifier(told: Mapping[str, Any]) -> dict[str, str]:
    facts = {
        "kind": str(told["kind"]),
        "learnt": f"{told['labels']:,} labels from {told['trained_on']:,} rows",
        "temperature": f"{told['temperature']:.2f}",
        "time": duration(told["seconds"]),
    }
    for side in ("validation", "test"):
        found = told[side]
        if found is None:
            continue
        facts |= {
            f"{side}: macro-F1": f"{found['macro_f1']:.3f}",
            f"{side}: accuracy": _share(found["accuracy"], found["right"], found["rows"]),
            f"{side}: recall of rare labels": _share(
                found["minority_recall"], found["rare_right"], found["rare_rows"]
            ),
            f"{side}: calibration error": f"{found['calibration_error']:.3f}",
        }
    return facts


def _share(value: float | None, hits: int, rows: int) -> str:
    return DASH if value is None else f"{value:.3f} ({hits:,} of {rows:,})"


def _index(summary: Mapping[str, Any]) -> dict[str, str]:
    return {
        "documents": f"{summary['documents']:,}",
        "passages": f"{summary['passages']:,}",
        "time": f"{summary['seconds']:,.0f} s",
        "embedding": f"{summary['passages_per_s']:,.0f} passages/s",
    }


def _gb(size: float) -> str:
    return f"{size / 1e9:.2f} GB"
