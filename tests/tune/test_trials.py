"""A job that other processes can read, and what a trial is tuned with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import examples, plan

from luthier.core.records import Example, write_table
from luthier.core.space import Dimension
from luthier.setup.losses import Terms, write_losses
from luthier.tune import _trials
from luthier.tune._trials import Job, attempt, read_job
from luthier.tune.methods import Lora
from luthier.tune.search import GridSampler, SearchSpec
from luthier.tune.tune import TuneSpec


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    space = {"lr": Dimension(low=1e-4, high=1e-2, log=True, steps=3)}
    spec = SearchSpec(space=space, sampler=GridSampler())
    job = Job("m", "r", "", TuneSpec(method=Lora(r=3)), spec, plan(), str(tmp_path))
    assert read_job(job.write()) == job


def test_a_trial_learns_by_the_loss_that_balancing_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    def tune(*_: Any, **options: Any) -> dict[str, Any]:
        told.update(options)
        return {}

    monkeypatch.setattr(_trials, "open_model", lambda *_: None)
    monkeypatch.setattr(_trials, "tune", tune)
    write_table(tmp_path / "examples.parquet", examples(4), Example)
    spec = SearchSpec(space={"lr": Dimension(choices=(1e-3,))})
    job = Job("m", str(tmp_path), "", TuneSpec(), spec, plan(), str(tmp_path))
    attempt(job, {"lr": 1e-3}, 0)
    assert told["losses"] is None
    terms = Terms(("ask", "pay"), focal_gamma=2.0)
    write_losses(tmp_path / "losses.json", terms)
    attempt(job, {"lr": 1e-3}, 0)
    assert told["losses"] == terms
