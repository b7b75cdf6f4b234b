"""What users of other tools complain of about steps, resuming, measuring and merging, as tests.

The names are those of the issues on GitHub; masks, templates and cuts are in ``test_complaints``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import examples, logits, plan, tiny
from tiny_runs import killed_after, rows
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.models import likelihood
from luthier.models.load import load
from luthier.tune._history import History
from luthier.tune._lm import NextToken
from luthier.tune._loop import train
from luthier.tune._objective import steps
from luthier.tune.methods import Bottleneck, Lora, Method, Prefix, Prompt, apply
from luthier.tune.objectives import language_rows
from luthier.tune.tune import TuneSpec, tune

BASE: dict[str, Any] = {"lr": 0.01, "batch_rows": 4, "max_length": 64, "report_to": ()}


def by_hand(given: NextToken, window: list[int]) -> tuple[float, float]:
    """The mean loss of a window's learned tokens, row by row, and the norm of its gradient."""
    network, total, count = tiny().network, torch.zeros(()), 0
    for row in window:
        begin, end = given.rows.starts[row : row + 2]
        ids, mask = torch.from_numpy(given.rows.ids[begin:end]), given.rows.mask[begin:end]
        table = network(input_ids=ids[None].long()).logits[0].log_softmax(-1)
        learned = [place for place in range(1, len(ids)) if mask[place]]
        total = total - sum(table[place - 1, ids[place]] for place in learned)
        count += len(learned)
    (total / count).backward()
    gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    return float(total.detach()) / count, float(torch.cat(gradients).norm())


@pytest.mark.parametrize("micro", [64, 128, 1024])
def test_each_window_has_the_gradient_of_its_mean_the_smaller_last_one_too(
    micro: int, tmp_path: Path
) -> None:
    # trl#2175, axolotl#2262 (means of means in accumulation), ms-swift#10084 (the last window)
    model = tiny()
    given = rows(model, 10)
    spec = TuneSpec(**{**BASE, "lr": 1e-12, "max_grad_norm": 1e9})  # it stays where it is
    history = train(model, given, None, spec, plan(micro=micro), tmp_path, Quiet())
    windows = [window for _, window in steps(given, spec, 3, 0)]
    assert [len(window) for window in windows] == [4, 4, 2]
    for line, window in zip(history.train, windows, strict=True):
        assert (line[1], line[5]) == pytest.approx(by_hand(given, window), rel=1e-4)


def run(folder: Path, **changes: Any) -> tuple[list[Any], History]:
    """One run with dropout; its weights and history."""
    folder.mkdir(exist_ok=True)
    model = tiny()
    spec = TuneSpec(**{**BASE, "validation_every": 2, **changes})
    model.network = apply(Lora(r=2, lora_dropout=0.2), model.network, seed=0)
    history = train(model, rows(model, 20), rows(model, 6, 60), spec, plan(), folder, Quiet())
    return [p.detach() for p in model.network.parameters() if p.requires_grad], history


@pytest.mark.parametrize("every_s", [0.0, 3600.0])
def test_a_run_killed_at_any_step_loses_no_figure_and_no_bit(
    every_s: float, tmp_path: Path
) -> None:
    # LLaMA-Factory#512, ms-swift#6049, transformers#22143: the loss jumps, rows are read again
    wanted, whole = run(tmp_path / "straight", checkpoint_every_s=every_s)
    assert whole.step == 5
    for last in range(whole.step):
        folder = tmp_path / str(last)
        with killed_after(last):
            run(folder, checkpoint_every_s=every_s)
        found, history = run(folder, checkpoint_every_s=every_s)
        assert [line[1] for line in history.train] == [line[1] for line in whole.train]
        assert history.validation == whole.validation
        assert (history.tokens, history.best_step) == (whole.tokens, whole.best_step)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_measurement_that_fails_costs_no_more_than_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nanochat#446: saved only behind a measurement, which may run out of memory
    wanted, whole = run(tmp_path / "straight", checkpoint_every_s=0.0, validation_every=4)
    real = NextToken.measure

    def failing(*_: Any) -> dict[str, float]:
        raise MemoryError

    monkeypatch.setattr(NextToken, "measure", failing)
    with pytest.raises(MemoryError):
        run(tmp_path / "failed", checkpoint_every_s=0.0, validation_every=4)
    kept = torch.load(tmp_path / "failed" / "checkpoint.pt", weights_only=True)
    assert kept["history"]["step"] == 3
    monkeypatch.setattr(NextToken, "measure", real)
    found, history = run(tmp_path / "failed", checkpoint_every_s=0.0, validation_every=4)
    assert history.validation == whole.validation
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


class Widest(TorchDispatchMode):
    """Notes for how many tokens at once there are logits."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary, self.tokens = vocabulary, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.shape[-1:] == (self.vocabulary,):
                self.tokens = max(self.tokens, tensor.numel() // self.vocabulary)
        return made


def test_measuring_holds_the_logits_of_few_tokens_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # LLaMA-Factory#1595, trl#893: logits of all tokens are kept until the memory is full
    monkeypatch.setattr(likelihood, "_LOGITS_AT_ONCE", 1)
    model = tiny()
    given = rows(model, 120)
    with Widest(len(model.tokenizer)) as seen:
        given.measure(model, plan(micro=1 << 14))
    assert given.size > 4 * seen.tokens > 0


@pytest.mark.parametrize(
    "method",
    [
        Lora(r=2),
        Prefix(num_virtual_tokens=3),
        Prompt(num_virtual_tokens=3),
        Bottleneck(bottleneck_size=4),
    ],
    ids=lambda m: m.kind,
)
def test_what_is_saved_is_judged_with_its_adapter(method: Method, tmp_path: Path) -> None:
    # oumi#389: the adapter is left out, in silence, when the model is evaluated
    held_out = examples(6, begin=60)
    spec = TuneSpec(**{**BASE, "method": method, "epochs": 3.0})
    told = tune(tiny(), examples(20), held_out, (), spec, plan(), tmp_path, Quiet())
    assert abs(told["validation_loss"] - told["validation_loss_before"]) > 0.01
    saved = load(tmp_path / "model")
    judged = language_rows(held_out, (), saved, spec, Ledger()).measure(saved, plan())
    assert judged["loss"] == pytest.approx(told["validation_loss"], rel=1e-4)
    ids = list(range(5, 25))
    ours, plain = (logits(network, ids)[-1] for network in (saved.network, tiny().network))
    assert not torch.allclose(ours, plain, atol=1e-4)
