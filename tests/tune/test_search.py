"""A search finds settings that work better, goes on after a kill, and does not boast."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tiny_models import example, examples, plan, tiny

from luthier.core.errors import ConfigError, TuneError
from luthier.core.progress import Quiet
from luthier.core.records import Example, write_table
from luthier.core.space import Dimension
from luthier.models.load import save
from luthier.tune import _trials
from luthier.tune.methods import Lora
from luthier.tune.search import (
    GpSampler,
    GridSampler,
    NoPruner,
    RandomSampler,
    SearchSpec,
    TpeSampler,
    search,
    winner,
    with_settings,
)
from luthier.tune.tune import TuneSpec

pytest.importorskip("optuna")
BASE = TuneSpec(lr=1e-5, batch_tokens=256, max_length=64, epochs=2.0)
LR = Dimension(low=1e-5, high=0.03, log=True)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A model folder and rows whose test side would spoil everything."""
    save(tiny(), tmp_path / "base")
    (tmp_path / "rows").mkdir()
    rows = [dataclasses.replace(e, side="train") for e in examples(24)]
    rows += [dataclasses.replace(e, side="validation") for e in examples(6, begin=100)]
    # too long, and too many to be refused: a search that read them would fail
    rows += [dataclasses.replace(example(f"{n}?", "Test " * 500), side="test") for n in range(6)]
    write_table(tmp_path / "rows" / "examples.parquet", rows, Example)
    return tmp_path


def run(given: Path, base: TuneSpec = BASE, name: str = "out", **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"space": {"lr": LR}, "trials": 4, "confirm": 0, **changes}
    out = given / name
    out.mkdir(exist_ok=True)
    spec = SearchSpec(**settings)
    rows = given / "rows"
    return search(given / "base", rows, None, base, spec, plan(), out, Quiet())


def read(given: Path, name: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((given / name / "search.json").read_text())
    return found


def test_the_best_of_the_trials_is_told_and_ready_to_be_used(given: Path) -> None:
    summary = run(given, confirm=2)
    found = read(given)
    assert found["states"] == {"complete": 4} == summary["trials"]
    values = [trial["value"] for trial in found["trials"]]
    assert summary["best"]["value"] == min(values)
    assert summary["verdict"] == "better"  # than a learning rate of next to nothing
    assert summary["gain"]["low"] > 0
    assert summary["seeds"] == [1, 2]
    assert summary["default"] == {"lr": 1e-5}
    best = summary["best"]["settings"]["lr"]
    assert winner(given / "out", BASE) == BASE.model_copy(update={"lr": best})
    assert f"lr: {best}" in (given / "out" / "best.yaml").read_text()
    assert list((given / "out" / "trials").iterdir()) == []


@pytest.mark.parametrize("sampler", [RandomSampler(), TpeSampler(startup_trials=2), GpSampler()])
def test_samplers_draw_from_the_space_and_again_the_same(sampler: Any, given: Path) -> None:
    spec: dict[str, Any] = {"sampler": sampler, "trials": 3, "pruner": NoPruner()}
    base = BASE.model_copy(update={"max_steps": 1})
    run(given, base, "one", **spec)
    run(given, base, "two", **spec)
    one, two = ([t["settings"] for t in read(given, n)["trials"]] for n in ("one", "two"))
    assert one == two
    assert len({s["lr"] for s in one}) == 3
    assert all(1e-5 <= s["lr"] <= 0.03 for s in one)


def test_a_grid_takes_every_point_once(given: Path) -> None:
    space = {
        "lr": Dimension(low=1e-3, high=1e-1, log=True, steps=3),
        "method.r": Dimension(choices=(2, 4)),
    }
    base = BASE.model_copy(update={"method": Lora(r=2), "max_steps": 1})
    run(given, base, space=space, sampler=GridSampler(), trials=50, pruner=NoPruner())
    made = {
        (round(t["settings"]["lr"], 4), t["settings"]["method.r"]) for t in read(given)["trials"]
    }
    assert made == {(lr, r) for lr in (0.001, 0.01, 0.1) for r in (2, 4)}


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tiny_models import plan
from luthier.core.progress import Quiet
from luthier.tune import _trials
from luthier.tune.search import SearchSpec, search
from luthier.tune.tune import TuneSpec

real, trials = _trials.attempt, 0

def dying(job, settings, seed, watch):
    global trials
    trials += 1
    def measured(step, figures):
        watch(step, figures)
        if trials == 3 and step > 2:
            os.kill(os.getpid(), signal.SIGKILL)
    return real(job, settings, seed, measured)

_trials.attempt = dying
given = Path(sys.argv[2])
base, spec = TuneSpec.model_validate_json(sys.argv[3]), SearchSpec.model_validate_json(sys.argv[4])
search(given / "base", given / "rows", None, base, spec, plan(), given / "out", Quiet())
"""


def test_a_search_killed_in_the_middle_of_a_trial_ends_like_an_uninterrupted_one(
    given: Path,
) -> None:
    base = BASE.model_copy(update={"validation_every": 1, "checkpoint_every_s": 0.0})
    run(given, base, "straight")
    (given / "out").mkdir()
    spec = SearchSpec(space={"lr": LR}, trials=4, confirm=0)
    source = Path(_trials.__file__).parents[2]
    told = (str(Path(__file__).parents[1]), str(given), base.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *told, spec.model_dump_json()],
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert done.returncode == -signal.SIGKILL
    assert list((given / "out" / "trials").iterdir()), "what it had learnt is still there"
    run(given, base)
    trials, straight = read(given)["trials"], read(given, "straight")["trials"]
    states = [t["state"] for t in trials]
    assert states == ["complete", "complete", "killed", "complete", "complete"]
    for key in ("settings", "value", "curve"):
        assert [t[key] for t in trials if t["state"] == "complete"] == [t[key] for t in straight]


def test_two_trials_at_once(given: Path) -> None:
    summary = run(given, at_once=2, trials=4)
    assert summary["trials"] == {"complete": 4}
    assert len({t["settings"]["lr"] for t in read(given)["trials"]}) == 4


def test_hopeless_trials_end_early(given: Path) -> None:
    space = {"lr": Dimension(choices=(0.01, 0.02, 0.03, 1e-7))}
    base = BASE.model_copy(update={"epochs": 6.0, "validation_every": 1})
    summary = run(given, base, space=space, sampler=RandomSampler(), trials=10)
    trials = read(given)["trials"]
    early = [t for t in trials if t["state"] == "pruned"]
    assert early
    assert any(t["settings"]["lr"] == 1e-7 for t in early)
    steps = max(len(t["curve"]) for t in trials)
    assert all(len(t["curve"]) < steps for t in early)
    assert summary["best"]["settings"]["lr"] > 1e-7


def test_a_trial_that_fails_says_why_and_does_not_end_the_search(given: Path) -> None:
    space = {"max_length": Dimension(choices=(16, 64))}  # no row fits into 16 tokens
    base = BASE.model_copy(update={"max_steps": 1})
    summary = run(given, base, space=space, sampler=RandomSampler(), trials=6)
    failed = [t for t in read(given)["trials"] if t["state"] == "fail"]
    assert summary["trials"]["fail"] == len(failed) > 0
    assert all("16" in t["problem"] for t in failed)
    with pytest.raises(TuneError, match="no trial came to its end"):
        run(given, base, "hopeless", space={"max_length": Dimension(choices=(16, 17))}, trials=2)


def test_settings_of_the_file_that_diverge_do_not_end_the_search(given: Path) -> None:
    base = BASE.model_copy(update={"lr": 1e30, "max_rollbacks": 0, "epochs": 1.0})
    space = {"lr": Dimension(choices=(0.01, 0.02))}
    summary = run(given, base, space=space, trials=2, confirm=2)
    assert summary["verdict"] == "default fails"
    assert summary["values"]["default"] == [None, None]
    assert None not in summary["values"]["best"]
    assert "not a number" in summary["problem"]["default"]
    assert winner(given / "out", base).lr == summary["best"]["settings"]["lr"]
    assert list((given / "out" / "trials").iterdir()) == [], "no checkpoint is left behind"
    written = (given / "out" / "confirm.jsonl").read_text()
    assert run(given, base, space=space, trials=2, confirm=2) == summary
    assert (given / "out" / "confirm.jsonl").read_text() == written, "none is made again"


def test_a_gain_that_may_be_luck_is_not_called_one(given: Path) -> None:
    base = BASE.model_copy(update={"lr": 0.01, "epochs": 1.0})
    idle = {"max_rollbacks": Dimension(choices=(1, 2))}  # nothing diverges here
    summary = run(given, base, space=idle, trials=2, confirm=2)
    assert summary["verdict"] == "cannot tell apart"
    assert summary["gain"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert winner(given / "out", base) == base


def test_settings_by_dotted_keys() -> None:
    spec = with_settings(BASE, {"lr": 0.5, "optimizer.betas": (0.8, 0.9)})
    assert spec.lr == 0.5
    assert spec.optimizer.model_dump()["betas"] == (0.8, 0.9)
    with pytest.raises(ConfigError, match=r"no setting tune.method.rank"):
        with_settings(BASE, {"method.rank": 4})
    with pytest.raises(ConfigError, match=r"tune.epochs = -1 cannot be: .* greater than 0$"):
        with_settings(BASE, {"epochs": -1})


def test_mistakes_in_the_space_are_told_before_any_trial(given: Path) -> None:
    with pytest.raises(ConfigError, match="weight_decay"):
        run(given, space={"weight_decay": Dimension(low=-1.0, high=1.0)})
    assert list((given / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "low and high, or choices"),
        ({"low": 1.0}, "low and high, or choices"),
        ({"low": 2.0, "high": 1.0}, "below"),
        ({"low": 0.0, "high": 1.0, "log": True}, "above 0"),
        ({"low": 1.0, "high": 2.0, "choices": (1,)}, "not both"),
    ],
)
def test_dimensions_that_make_no_sense(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Dimension(**wrong)


def test_a_grid_without_steps() -> None:
    with pytest.raises(ValidationError, match="steps or choices: lr"):
        SearchSpec(space={"lr": LR}, sampler=GridSampler())
