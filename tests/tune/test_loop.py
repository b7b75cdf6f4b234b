"""Seeded losses, the same numbers however a batch is cut, and a resume that nobody notices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import plan, tiny
from tiny_runs import killed_after, rows, steps_begun

from luthier.core.errors import ResourceError, TuneError
from luthier.core.progress import Quiet
from luthier.models.load import Model
from luthier.setup.optimizers import Muon
from luthier.tune import _checkpoint, _lm, _loop
from luthier.tune._history import History
from luthier.tune._loop import train
from luthier.tune.tune import TuneSpec

BASE: dict[str, Any] = {"lr": 0.01, "batch_tokens": 512, "max_length": 64, "max_grad_norm": 5.0}


def trained(
    folder: Path, *, micro: int = 512, validation: bool = False, **changes: Any
) -> tuple[Model, History]:
    folder.mkdir(exist_ok=True)
    model = tiny()
    held_out = rows(model, 8, begin=100) if validation else None
    spec = TuneSpec(**{**BASE, **changes})
    history = train(model, rows(model, 40), held_out, spec, plan(micro=micro), folder, Quiet())
    return model, history


def losses(history: History) -> list[float]:
    return [line[1] for line in history.train]


def weights(model: Model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.network.parameters()])


def test_the_first_four_losses(tmp_path: Path) -> None:
    _, history = trained(tmp_path, epochs=4, batch_tokens=256)
    golden = [6.51218, 5.98166, 5.44242, 5.06153]
    assert losses(history)[:4] == pytest.approx(golden, abs=2e-3)


def test_the_first_loss_is_the_models_own(tmp_path: Path) -> None:
    _, history = trained(tmp_path, batch_tokens=100_000, max_steps=1)
    model = tiny()
    some = rows(model, 40)
    assert losses(history) == pytest.approx([some.measure(model, plan())["loss"]], rel=1e-4)


def test_losses_fall(tmp_path: Path) -> None:
    _, history = trained(tmp_path, epochs=30)
    assert losses(history)[-1] < 0.5 * losses(history)[0]
    assert [line[0] for line in history.train] == list(range(1, history.step + 1))


@pytest.mark.parametrize("micro", [64, 128, 200])
def test_a_batch_in_pieces_is_the_batch(micro: int, tmp_path: Path) -> None:
    whole, one = trained(tmp_path / "whole", micro=512, epochs=3)
    cut, many = trained(tmp_path / "cut", micro=micro, epochs=3)
    assert losses(many) == pytest.approx(losses(one), rel=1e-4)
    torch.testing.assert_close(weights(cut), weights(whole), rtol=1e-2, atol=2e-3)


def test_packed_and_single_rows_give_the_same_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {"batch_tokens": 100_000, "max_steps": 2}
    packed, one = trained(tmp_path / "packed", **everything)
    monkeypatch.setattr(_lm, "pack", lambda lengths, *_, **__: [[i] for i in range(len(lengths))])
    single, other = trained(tmp_path / "single", **everything)
    assert losses(other) == pytest.approx(losses(one), rel=1e-4)
    torch.testing.assert_close(weights(single), weights(packed), rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("changes", [{}, {"optimizer": Muon()}, {"lr": 1e-3, "patience": 50}])
def test_a_resumed_run_equals_an_uninterrupted_one(changes: dict[str, Any], tmp_path: Path) -> None:
    spec = {**changes, "epochs": 6, "validation": True, "validation_every": 2}
    straight, expected = trained(tmp_path / "straight", checkpoint_every_s=0.0, **spec)
    with killed_after(4):
        trained(tmp_path / "killed", checkpoint_every_s=0.0, **spec)
    with steps_begun() as begun:
        resumed, history = trained(tmp_path / "killed", checkpoint_every_s=0.0, **spec)
    assert begun == list(range(4, expected.step)), "the first four steps were not done again"
    assert losses(history) == losses(expected)
    assert history.validation == expected.validation
    assert torch.equal(weights(resumed), weights(straight))


def test_the_best_weights_are_restored(tmp_path: Path) -> None:
    # a learning rate that ruins the model after its best moment
    model, history = trained(
        tmp_path, validation=True, validation_every=1, epochs=12, lr=0.05, schedule="constant"
    )
    best = min(history.validation, key=lambda line: line["loss"])
    assert (history.best_step, history.best) == (best["step"], best["loss"])
    assert history.best_step < history.step
    held_out = rows(model, 8, begin=100)
    now = held_out.measure(model, plan())["loss"]
    assert now == pytest.approx(history.best, rel=1e-5)


def test_early_stopping_counts_measurements_without_progress(tmp_path: Path) -> None:
    _, history = trained(
        tmp_path,
        validation=True,
        validation_every=1,
        epochs=40,
        lr=0.05,
        schedule="constant",
        patience=2,
    )
    assert history.stopped_early
    assert history.step == history.best_step + 2
    assert history.step < 40


@pytest.mark.parametrize("step", [0, 2])
def test_a_loss_that_is_not_a_number_names_the_step(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = _lm.summed_nll, 0

    def ruined(*args: Any, **options: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        total = real(*args, **options)
        return total * math.nan if calls > step else total

    monkeypatch.setattr(_lm, "summed_nll", ruined)
    message = f"the loss is not a number at step {step + 1}"
    with pytest.raises(TuneError, match=message) as caught:
        trained(tmp_path, epochs=3, batch_tokens=64, validation_every=100)
    assert "rows.csv:" in caught.value.what
    assert "tune.lr" in caught.value.mend


def test_a_gradient_that_is_not_a_number_does_not_reach_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_loop.Weights, "clip", lambda *_: math.inf)
    with pytest.raises(TuneError, match="gradient is not a number at step 1"):
        trained(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / _checkpoint.GOOD).write_bytes(content)
    with pytest.raises(TuneError, match="checkpoint cannot be read") as caught:
        trained(tmp_path)
    assert "afresh" in caught.value.mend


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    trained(tmp_path)
    saved = torch.load(tmp_path / _checkpoint.GOOD)
    torch.save({**saved, "weights": saved["weights"][:2]}, tmp_path / _checkpoint.GOOD)
    with pytest.raises(TuneError, match="checkpoint cannot be read"):
        trained(tmp_path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path, max_steps=1)
    before = (tmp_path / _checkpoint.GOOD).read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ResourceError, match="cannot be written"):
        trained(tmp_path, max_steps=3, batch_tokens=64)
    assert [p.name for p in tmp_path.iterdir()] == [_checkpoint.GOOD]
    assert (tmp_path / _checkpoint.GOOD).read_bytes() == before


def test_bfloat16_follows_float32(tmp_path: Path) -> None:
    _, exact = trained(tmp_path / "exact", epochs=3)
    model = tiny()
    model.network.to(torch.bfloat16)
    folder = tmp_path / "rounded"
    folder.mkdir()
    spec, some = TuneSpec(**{**BASE, "epochs": 3.0}), rows(model, 40)
    rounded = train(model, some, None, spec, plan(precision="bfloat16"), folder, Quiet())
    assert losses(rounded) == pytest.approx(losses(exact), rel=0.05)
    assert model.network.dtype == torch.bfloat16


def test_a_history_is_plain_data(tmp_path: Path) -> None:
    _, history = trained(tmp_path, validation=True)
    assert History(**dataclasses.asdict(history)) == history
    assert history.tokens == rows(tiny(), 40).rows.lengths.sum()


def test_rows_without_anything_to_learn_are_skipped_and_counted(tmp_path: Path) -> None:
    model = tiny()
    some = rows(model, 4)
    begin, end = some.rows.starts[2:4]
    some.rows.mask[begin:end] = False  # nanochat#590: a mean over no token is not a number
    spec = TuneSpec(**{**BASE, "batch_rows": 1, "epochs": 2.0})
    history = train(model, some, None, spec, plan(), tmp_path, Quiet())
    assert history.step == 8
    assert len(history.train) == 6
    assert [s["reason"] for s in history.skipped] == ["nothing to learn in these rows"] * 2
    assert all(math.isfinite(line[1]) for line in history.train)


def ruin(monkeypatch: pytest.MonkeyPatch, ruined: Callable[[int], float]) -> list[int]:
    """Multiply the loss of the n-th call by what ``ruined(n)`` says; returns the calls made."""
    real, calls = _lm.summed_nll, [0]

    def loss(*args: Any, **options: Any) -> torch.Tensor:
        calls[0] += 1
        return real(*args, **options) * ruined(calls[0])

    monkeypatch.setattr(_lm, "summed_nll", loss)
    return calls


def test_a_step_that_is_not_a_number_is_gone_back_from_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruin(monkeypatch, lambda call: math.nan if call == 5 else 1.0)
    _, history = trained(
        tmp_path, validation=True, validation_every=2, epochs=10, schedule="constant"
    )
    ((back,),) = [history.rollbacks]
    assert (back["step"], back["to"]) == (4, 4)
    assert "the loss is not a number at step 5" in back["reason"]
    assert [s["step"] for s in history.skipped] == [5]
    assert history.lr_scale == 0.5
    assert history.train[-1][2] == pytest.approx(BASE["lr"] / 2)
    assert [line[0] for line in history.train] == [1, 2, 3, 4, *range(6, history.step + 1)]


def test_a_loss_that_grows_is_gone_back_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruin(monkeypatch, lambda call: 50.0 if call == 30 else 1.0)
    _, history = trained(tmp_path, validation_every=8, epochs=20, batch_tokens=256)
    assert len(history.rollbacks) == 1
    assert "the loss grew to" in history.rollbacks[0]["reason"]
    assert history.rollbacks[0]["to"] % 8 == 0
    assert losses(history)[-1] < losses(history)[0]


def test_a_run_that_diverges_again_and_again_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruin(monkeypatch, lambda call: math.nan if call > 4 else 1.0)
    with pytest.raises(TuneError, match="not a number") as caught:
        trained(tmp_path, validation_every=2, epochs=10, max_rollbacks=3)
    assert "It was halved 3 times" in caught.value.mend


def test_a_run_killed_after_it_went_back_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec: dict[str, Any] = {"validation_every": 3, "epochs": 8, "checkpoint_every_s": 0.0}
    calls = ruin(monkeypatch, lambda call: math.nan if call == 8 else 1.0)
    straight, expected = trained(tmp_path / "straight", **spec)
    calls[0] = 0
    with killed_after(9):
        trained(tmp_path / "killed", **spec)
    resumed, history = trained(tmp_path / "killed", **spec)
    assert losses(history) == losses(expected)
    assert history.rollbacks == expected.rollbacks
    assert torch.equal(weights(resumed), weights(straight))


def test_another_figure_may_decide_and_the_last_weights_may_be_kept(tmp_path: Path) -> None:
    changes = {"lr": 0.05, "schedule": "constant", "epochs": 12, "validation_every": 1}
    _, history = trained(tmp_path, validation=True, metric_for_best_model="perplexity", **changes)
    assert history.best == min(line["perplexity"] for line in history.validation)
    last, other = trained(
        tmp_path / "last", validation=True, load_best_model_at_end=False, **changes
    )
    assert other.best_step < other.step
    now = rows(last, 8, begin=100).measure(last, plan())["loss"]
    assert now == pytest.approx(other.validation[-1]["loss"], rel=1e-5)


def test_an_observer_is_told_everything(tmp_path: Path) -> None:
    told: list[Any] = []
    observer = _loop.Observer(
        begun=lambda done: told.append(("begun", done.step)),
        step=lambda step, figures: told.append((step, set(figures))),
        measured=lambda step, figures: told.append(("measured", step, set(figures))),
        answers=lambda: [{"prompt": "p", "answer": "a"}],
        ended=lambda: told.append("ended"),
    )
    model = tiny()
    spec = TuneSpec(**{**BASE, "max_steps": 2, "epochs": 9.0, "validation_every": 2})
    history = train(
        model, rows(model, 40), rows(model, 4), spec, plan(), tmp_path, Quiet(), observer
    )
    figures = {"loss", "learning_rate", "grad_norm", "tokens"}
    assert told == [
        ("begun", 0),
        (1, figures),
        (2, figures),
        ("measured", 2, {"loss", "perplexity", "bits_per_byte"}),
        "ended",
    ]
    assert history.samples == [{"step": 2, "prompt": "p", "answer": "a"}]
