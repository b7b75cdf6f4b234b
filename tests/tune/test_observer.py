"""What a run tells while it goes on: the log, answers, the last weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_models import examples, tiny

from luthier.tune._history import History
from luthier.tune._observer import observer_of
from luthier.tune._world import World
from luthier.tune.tune import TuneSpec


def made(folder: Path, told: list[Any], world: World | None = None, **changes: Any) -> Any:
    spec = TuneSpec(report_to=(), **changes)
    watch = lambda step, figures: told.append((step, figures))  # noqa: E731
    return observer_of(tiny(), examples(5), spec, folder, world or World(), watch)


def test_figures_are_logged_and_measurements_watched(tmp_path: Path) -> None:
    told: list[Any] = []
    observer = made(tmp_path, told)
    observer.begun(History())
    observer.step(1, {"loss": 2.0})
    observer.measured(1, {"loss": 3.0})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [{"step": 1, "train/loss": 2.0}, {"step": 1, "validation/loss": 3.0}]
    assert told == [(1, {"loss": 3.0})]


def test_whoever_watches_a_resumed_run_hears_of_what_was_measured_before(tmp_path: Path) -> None:
    told: list[Any] = []
    before = [{"step": 2, "loss": 3.0}, {"step": 4, "loss": 2.0, "accuracy": 0.5}]
    made(tmp_path, told).begun(History(validation=before, step=5))
    assert told == [(2, {"loss": 3.0}), (4, {"loss": 2.0, "accuracy": 0.5})]


def test_some_prompts_are_answered(tmp_path: Path) -> None:
    found = made(tmp_path, [], samples=2).answers()
    assert [one["prompt"] for one in found] == [e.question for e in examples(2)]
    assert made(tmp_path, []).answers() == []
    shares = World(0, 2, "fsdp2")
    assert made(tmp_path, [], shares, samples=2).answers() == []


def test_the_last_weights_are_kept_if_asked_for(tmp_path: Path) -> None:
    made(tmp_path, []).ended()
    assert not (tmp_path / "last").exists()
    made(tmp_path, [], save_last=True).ended()
    assert (tmp_path / "last" / "model.safetensors").is_file()
