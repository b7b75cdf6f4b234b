"""The training loop: packed batches in, a history of losses out; resumes where it stopped."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from luthier.core.errors import ResourceError, TuneError
from luthier.core.progress import Progress, Task
from luthier.models.likelihood import nll, summed_nll
from luthier.models.load import Model
from luthier.setup import optimizers, schedules
from luthier.setup.plan import Plan
from luthier.tune._pack import Batch, collate, pack
from luthier.tune._rows import Rows
from luthier.tune._weights import Weights

if TYPE_CHECKING:
    from luthier.tune.tune import TuneSpec

CHECKPOINT = "checkpoint.pt"


@dataclasses.dataclass(slots=True)
class History:
    """What happened, step by step.

    Attributes:
        train: [step, loss per learned token (nats), learning rate, tokens so far, seconds so far].
        validation: [step, loss per learned token].
        step: Steps done.
        tokens: Tokens seen, padding not counted.
        seconds: Time in training steps, over all resumptions.
        best_loss: Least validation loss.
        best_step: Where it was.
        stopped_early: Validation had not improved for ``patience`` measurements.
    """

    train: list[list[float]] = dataclasses.field(default_factory=list)
    validation: list[list[float]] = dataclasses.field(default_factory=list)
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    stopped_early: bool = False


def total_steps(spec: TuneSpec, rows: Rows) -> int:
    """Optimizer steps of the whole run."""
    sequences = pack(rows.lengths, spec.max_length, seed=_order_seed(spec.seed, 0))
    per_epoch = math.ceil(len(sequences) / _sequences_per_step(spec))
    steps = max(1, round(per_epoch * spec.epochs))
    return min(steps, spec.max_steps) if spec.max_steps else steps


def train(
    model: Model,
    rows: Rows,
    validation: Rows | None,
    spec: TuneSpec,
    plan: Plan,
    folder: Path,
    progress: Progress,
) -> History:
    """Train a model's trainable weights in place.

    Args:
        model: In the plan's precision, on the plan's device, made trainable by a method.
        rows: Training rows, none longer than ``spec.max_length``.
        validation: Rows whose loss decides the best step, or None.
        spec: Hyperparameters.
        plan: Micro-batch.
        folder: Where the checkpoint lies; training goes on from one found there.
        progress: Shows the loss.

    Raises:
        TuneError: The loss is not a number.
    """
    weights = Weights(model.network)
    optimizer = optimizers.build(
        spec.optimizer, weights.named, lr=spec.lr, weight_decay=spec.weight_decay
    )
    state = _State(weights, optimizer, folder / CHECKPOINT)
    history = state.load()
    total = total_steps(spec, rows)
    with progress.task("tuning", total) as task:
        task.advance(history.step)
        for step, sequences in _steps(rows, spec, total, history.step):
            _one_step(model, weights, optimizer, rows, sequences, step, total, spec, plan, history)
            _show(task, history)
            last = history.step == total
            if validation and (last or history.step % _validation_every(spec, total) == 0):
                _validate(model, validation, spec, plan, state, history)
                if spec.patience and _stale(history) >= spec.patience and not last:
                    history.stopped_early = True
                    break
            if state.due(spec.checkpoint_every_s) or last:
                state.save(history)
    if validation and state.best:
        weights.restore(state.best)
    return history


def evaluate(model: Model, rows: Rows, spec: TuneSpec, plan: Plan) -> float:
    """Sum of the losses (nats) of all learned tokens of some rows."""
    sequences = pack(rows.lengths, spec.max_length, seed=0)
    total = 0.0
    model.network.eval()
    with torch.inference_mode():
        for chunk in _chunks(sequences, plan.micro_batch_tokens // spec.max_length):
            batch = collate(rows, chunk, _pad_id(model), spec.max_length)
            total += float(nll(model.network, *_tensors(batch, plan.device))[0].double().sum())
    return total


def _one_step(
    model: Model,
    weights: Weights,
    optimizer: optimizers.Optimizers,
    rows: Rows,
    sequences: list[list[int]],
    step: int,
    total: int,
    spec: TuneSpec,
    plan: Plan,
    history: History,
) -> None:
    started = time.perf_counter()
    torch.manual_seed(_order_seed(spec.seed, step + 1))  # dropout is the same after a resume
    model.network.train()
    chunks = _chunks(sequences, plan.micro_batch_tokens // spec.max_length)
    batches = [collate(rows, chunk, _pad_id(model), spec.max_length) for chunk in chunks]
    learned = sum(b.learned for b in batches)
    summed = 0.0
    for batch in batches:
        # one division by the whole step's learned tokens: the same gradient however it is cut
        loss = summed_nll(model.network, *_tensors(batch, plan.device)) / learned
        loss.backward()  # type: ignore[no-untyped-call]
        weights.gather()
        summed += float(loss.detach())
    if not math.isfinite(summed):
        raise _diverged("loss", step, rows.origins[sequences[0][0]])
    if not math.isfinite(weights.clip(spec.max_grad_norm)):
        raise _diverged("gradient", step, rows.origins[sequences[0][0]])
    lr = spec.lr * schedules.factor(
        spec.schedule, step, total, warmup_steps=math.ceil(total * spec.warmup_ratio)
    )
    optimizer.step(lr)
    weights.scatter()
    history.step = step + 1
    history.tokens += sum(b.tokens for b in batches)
    history.seconds += time.perf_counter() - started
    history.train.append([step + 1, summed, lr, history.tokens, round(history.seconds, 3)])


def _validate(
    model: Model, rows: Rows, spec: TuneSpec, plan: Plan, state: _State, history: History
) -> None:
    loss = evaluate(model, rows, spec, plan) / rows.learned_tokens
    if not math.isfinite(loss):
        raise _diverged("validation loss", history.step - 1, rows.origins[0])
    history.validation.append([history.step, loss])
    if loss < history.best_loss:
        history.best_loss, history.best_step = loss, history.step
        state.best = state.weights.snapshot()


def _diverged(what: str, step: int, where: str) -> TuneError:
    return TuneError(
        f"the {what} is not a number at step {step + 1}",
        where=where,
        mend="Lower tune.lr, or raise tune.warmup_ratio.",
    )


class _State:
    """What a checkpoint holds: weights, optimizer, best weights, history."""

    def __init__(self, weights: Weights, optimizer: optimizers.Optimizers, path: Path) -> None:
        self.weights, self.optimizer, self.path = weights, optimizer, path
        self.best: list[torch.Tensor] = []
        self.saved_at = time.monotonic()

    def due(self, every_s: float) -> bool:
        return time.monotonic() - self.saved_at >= every_s

    def save(self, history: History) -> None:
        beside = self.path.with_suffix(".partial")
        state = {
            "weights": self.weights.snapshot(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": dataclasses.asdict(history),
        }
        try:
            torch.save(state, beside)
        except RuntimeError as error:  # torch does not say what the system said
            beside.unlink(missing_ok=True)
            raise ResourceError(
                f"the checkpoint cannot be written: {error}",
                where=str(self.path.parent),
                mend="Is the disk full? `luthier gc` deletes what no kept bundle needs.",
            ) from error
        os.replace(beside, self.path)
        self.saved_at = time.monotonic()

    def load(self) -> History:
        if not self.path.is_file():
            return History()
        try:
            saved: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            self.optimizer.load_state_dict(saved["optimizer"])
            self.weights.restore(saved["weights"])
            self.best = saved["best"]
            return History(**saved["history"])
        except Exception as error:
            raise TuneError(
                f"the checkpoint cannot be read: {error}",
                where=str(self.path),
                mend="Delete this folder to start the tuning afresh.",
            ) from error


def _steps(
    rows: Rows, spec: TuneSpec, total: int, done: int
) -> Iterator[tuple[int, list[list[int]]]]:
    """(step, its packed sequences) for every step not yet done."""
    step = epoch = 0
    while step < total:
        sequences = pack(rows.lengths, spec.max_length, seed=_order_seed(spec.seed, epoch))
        for chunk in _chunks(sequences, _sequences_per_step(spec)):
            if done <= step < total:
                yield step, chunk
            step += 1
        epoch += 1


def _show(task: Task, history: History) -> None:
    recent = history.train[-10:]
    note = f"loss {sum(r[1] for r in recent) / len(recent):.3f}"
    if history.validation:
        note += f" · val {history.validation[-1][1]:.3f}"
    note += f" · {history.tokens / max(history.seconds, 1e-9):,.0f} tok/s"
    task.advance(1, note)


def _stale(history: History) -> int:
    """Measurements since the best one."""
    return sum(step > history.best_step for step, _ in history.validation)


def _validation_every(spec: TuneSpec, total: int) -> int:
    return spec.validation_every or max(1, total // 8)


def _sequences_per_step(spec: TuneSpec) -> int:
    return max(1, spec.batch_tokens // spec.max_length)


def _order_seed(seed: int, number: int) -> int:
    return (seed * 1_000_003 + number) % (1 << 31)


def _chunks(items: list[list[int]], size: int) -> list[list[list[int]]]:
    size = max(1, size)
    return [items[i : i + size] for i in range(0, len(items), size)]


def _pad_id(model: Model) -> int:
    return int(model.tokenizer.pad_token_id or 0)


def _tensors(batch: Batch, device: str) -> list[torch.Tensor]:
    arrays = (batch.ids, batch.positions, batch.segments, batch.targets)
    return [torch.from_numpy(a).to(device) for a in arrays]
