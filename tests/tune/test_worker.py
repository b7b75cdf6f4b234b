"""Two processes make what one makes alone; what they leave can go on in another number."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import example, examples, plan, tiny

from luthier.core.errors import LeakageError, ResourceError
from luthier.core.progress import Quiet
from luthier.core.records import Example, write_table
from luthier.models.load import load, save
from luthier.tune import worker
from luthier.tune._history import read_history
from luthier.tune.tune import TuneSpec, tune
from luthier.tune.worker import tune_in_processes

SPEC = TuneSpec(lr=0.01, batch_tokens=256, max_length=64, epochs=3.0, validation_every=4)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A model folder and a folder of rows."""
    save(tiny(), tmp_path / "base")
    (tmp_path / "rows").mkdir()
    rows = [dataclasses.replace(e, side="train") for e in examples(40)]
    rows += [dataclasses.replace(e, side="validation") for e in examples(8, begin=100)]
    write_table(tmp_path / "rows" / "examples.parquet", rows, Example)
    return tmp_path


def alone(given: Path, spec: TuneSpec = SPEC) -> Path:
    out = given / "alone"
    out.mkdir()
    rows = examples(40), examples(8, begin=100)
    tune(load(given / "base"), *rows, (), spec, plan(micro=64), out, Quiet())
    return out


def together(given: Path, out: Path, spec: TuneSpec = SPEC, **changes: Any) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    shared = dataclasses.replace(plan(micro=64), **{"processes": 2, **changes})
    rows = given / "rows"
    return tune_in_processes(given / "base", rows, None, spec, shared, out, Quiet())


def losses(folder: Path) -> list[float]:
    return [line[1] for line in read_history(folder).train]


@pytest.mark.parametrize("parallel", ["ddp", "fsdp2"])
def test_two_processes_have_the_losses_of_one(parallel: str, given: Path) -> None:
    expected, out = alone(given), given / "out"
    summary = together(given, out, parallel=parallel)
    assert losses(out) == pytest.approx(losses(expected), rel=1e-4)
    measured = [line["loss"] for line in read_history(out).validation]
    assert measured == pytest.approx(
        [line["loss"] for line in read_history(expected).validation], rel=1e-4
    )
    assert summary["validation_loss"] == pytest.approx(measured[-1], rel=1e-4)
    ours = load_file(out / "model" / "model.safetensors")
    theirs = load_file(expected / "model" / "model.safetensors")
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-2, atol=2e-3)
    left = {p.name for p in out.iterdir()}
    assert left <= {"history.json", "ledger.parquet", "log.jsonl", "model", "runs"}


def test_a_checkpoint_of_shares_goes_on_in_one_process(
    given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, out = alone(given), given / "out"
    # stop after the first good checkpoint, as if all processes had been killed there
    real = worker._watch

    def killing(process: Any, folder: Path, progress: Any) -> None:
        def kill() -> None:
            while not (folder / "good.pt").is_file() and process.poll() is None:
                pass
            process.kill()

        threading.Thread(target=kill).start()
        real(process, folder, progress)

    monkeypatch.setattr(worker, "_watch", killing)
    with pytest.raises(ResourceError, match="a process of the tuning died"):
        together(given, out, parallel="fsdp2")
    done = torch.load(out / "good.pt", weights_only=True)["history"]["step"]
    assert 0 < done < read_history(expected).step
    rows = examples(40), examples(8, begin=100)
    tune(load(given / "base"), *rows, (), SPEC, plan(micro=64), out, Quiet())
    assert losses(out) == pytest.approx(losses(expected), rel=1e-4)


def test_an_error_of_the_processes_is_told_as_their_own(given: Path) -> None:
    rows = [
        dataclasses.replace(example("How many?", "Four. " * 60, number=n), side="train")
        for n in range(5)
    ]
    write_table(given / "rows" / "examples.parquet", rows, Example)
    with pytest.raises(LeakageError, match="5 of 5 rows"):
        together(given, given / "out")
    assert not (given / "out" / worker.ERROR).exists()


def test_a_run_waits_until_the_processes_of_the_last_one_are_gone(tmp_path: Path) -> None:
    done: list[str] = []
    with (tmp_path / worker.ALIVE).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        waiting = threading.Thread(
            target=lambda: (worker._wait_for_all(tmp_path), done.append("waited"))
        )
        waiting.start()
        waiting.join(0.2)
        assert done == []
    waiting.join(60)
    assert done == ["waited"]


def test_a_process_whose_parent_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class EndedError(Exception):
        pass

    def end(code: int) -> None:
        raise EndedError

    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(EndedError):  # torchrun
        worker._end_with(os.getpid(), os.getppid() + 1)
    with pytest.raises(EndedError):  # whoever called it
        worker._end_with(2**22 + 1, os.getppid())  # above the largest id there is


def test_a_process_that_begins_too_late_finds_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        worker.main(tmp_path / "job-1.json")


def test_progress_is_read_from_the_log(tmp_path: Path) -> None:
    class Ended:
        def poll(self) -> int:
            return 0

    told: list[tuple[int, str]] = []

    class Bar(Quiet):
        def advance(self, steps: int = 1, note: str = "") -> None:
            told.append((int(steps), note))

        def task(self, *_: Any) -> Any:
            import contextlib

            return contextlib.nullcontext(self)

    lines = [{"step": 1, "train/loss": 2.5}, {"step": 1, "validation/loss": 3.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines) + '{"st')
    fake: Any = Ended()
    worker._watch(fake, tmp_path, Bar())
    assert told == [(1, "loss 2.500"), (0, "")]
