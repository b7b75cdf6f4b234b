"""The training loop: windows of rows in, a history of losses out; resumes where it stopped."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from luthier.core.errors import TuneError
from luthier.core.progress import Progress, Task
from luthier.models.load import Model
from luthier.setup import optimizers
from luthier.setup.plan import Plan
from luthier.setup.schedules import factor, warmup_steps
from luthier.tune._checkpoint import GOOD, Checkpoints
from luthier.tune._history import History
from luthier.tune._objective import (
    MicroBatch,
    Objective,
    order_seed,
    steps,
    tensors,
    total_steps,
)
from luthier.tune._sharded import shard
from luthier.tune._update import Update
from luthier.tune._weights import Weights
from luthier.tune._world import World
from luthier.tune.methods import begin_round, lr_scale, rounds

if TYPE_CHECKING:
    from luthier.tune.tune import TuneSpec

RECENT = 5  # steps whose mean loss is watched
SETTLED = 20  # steps before it is


@dataclasses.dataclass(frozen=True, slots=True)
class Observer:
    """What is told of a run while it goes on.

    Attributes:
        begun: Called before the first step with what happened before a resumption.
        step: Called after each step with its number and its figures.
        measured: Called after each measurement with the step and the figures.
        answers: What the model answers to some prompts now: ``prompt`` and ``answer`` of each.
        ended: Called with the weights of the last step, before the best are put back.
    """

    begun: Callable[[History], None] = lambda _: None
    step: Callable[[int, dict[str, float]], None] = lambda *_: None
    measured: Callable[[int, dict[str, float]], None] = lambda *_: None
    answers: Callable[[], Sequence[dict[str, str]]] = lambda: ()
    ended: Callable[[], None] = lambda: None


@dataclasses.dataclass(slots=True)
class _Run:
    """Everything a step needs."""

    model: Model
    learned: Objective
    held_out: Objective | None
    spec: TuneSpec
    plan: Plan
    weights: Weights
    optimizer: optimizers.Optimizers
    checkpoints: Checkpoints
    observer: Observer
    history: History
    total: int
    world: World
    inside: Callable[[Callable[[], Any]], Any]  # where calls find all weights
    fresh: list[Any]  # the optimizer's state before any step
    round: int = -1  # of methods whose trained weights change during the run


def train(
    model: Model,
    learned: Objective,
    held_out: Objective | None,
    spec: TuneSpec,
    plan: Plan,
    folder: Path,
    progress: Progress,
    observer: Observer | None = None,
    world: World | None = None,
) -> History:
    """Train a model's trainable weights in place.

    Args:
        model: In the plan's precision, on the plan's device, made trainable by a method.
        learned: Training rows.
        held_out: Rows whose figures decide the best step, or None.
        spec: Hyperparameters.
        plan: Micro-batch.
        folder: Where checkpoints lie; training goes on from one found there.
        progress: Shows the loss.
        observer: Is told what happens.
        world: The processes that train together; all call this with the same arguments.

    Raises:
        TuneError: The loss is not a number, or grows beyond bounds, and going back does not help.
    """
    world = world or World()
    inside: Callable[[Callable[[], Any]], Any] = _plainly
    spare = None
    if world.sharded:
        inside, spare = shard(model.network, plan, world)
    weights = Weights(model.network)
    run = _begin(model, learned, held_out, spec, plan, weights, folder, world, inside, observer)
    with progress.task("tuning", run.total) as task:
        task.advance(run.history.step)
        while run.history.step < run.total and not run.history.stopped_early:
            problem = _until_trouble(run, task)
            if problem:
                _roll_back(run, problem)
                progress.say(f"[yellow]{_told(run.history.rollbacks[-1])}[/yellow]")
    run.history.optimizer_bytes = run.optimizer.state_bytes
    if world.sharded:
        weights = _made_whole(run, spare)
    run.observer.ended()
    if run.checkpoints.best and spec.load_best_model_at_end and (world.leads or not world.sharded):
        weights.restore(run.checkpoints.best)
    return run.history


def _begin(
    model: Model,
    learned: Objective,
    held_out: Objective | None,
    spec: TuneSpec,
    plan: Plan,
    weights: Weights,
    folder: Path,
    world: World,
    inside: Callable[[Callable[[], Any]], Any],
    observer: Observer | None,
) -> _Run:
    """A run as it begins, or as its checkpoint left it."""
    optimizer = optimizers.build(
        spec.optimizer,
        weights.named,
        lr=spec.peak_lr,
        weight_decay=spec.weight_decay,
        lr_scale=lr_scale(spec.method),
    )
    fresh = optimizer.state_dict()
    checkpoints = Checkpoints(weights, optimizer, folder, world)
    run = _Run(
        model=model,
        learned=learned,
        held_out=held_out,
        spec=spec,
        plan=plan,
        weights=weights,
        optimizer=optimizer,
        checkpoints=checkpoints,
        observer=observer or Observer(),
        history=checkpoints.resume(),
        total=total_steps(learned, spec),
        world=world,
        inside=inside,
        fresh=fresh,
    )
    run.observer.begun(run.history)
    return run


def _made_whole(run: _Run, spare: Any) -> Weights:
    """Give the model a whole network again, with what was learned on the leading process."""
    final = run.weights.snapshot()
    run.model.network = spare
    if not run.world.leads:
        return run.weights
    weights = Weights(spare)
    weights.restore(final)
    spare.to(run.plan.device, getattr(torch, run.plan.precision))
    return weights


def _plainly(call: Callable[[], Any]) -> Any:
    return call()


def _until_trouble(run: _Run, task: Task) -> str:
    """Steps until the end of the run (nothing is returned) or a problem."""
    spec, history = run.spec, run.history
    for step, window in steps(run.learned, spec, run.total, history.step):
        if problem := _one_step(run, step, window):
            return problem
        if problem := _grown(history):
            return problem
        last = history.step == run.total
        measured = last or history.step % _measure_every(spec, run.total) == 0
        if measured:
            _measure(run)
            if run.held_out and spec.patience and history.stale >= spec.patience and not last:
                history.stopped_early = True
        if measured and spec.max_rollbacks:
            run.checkpoints.save(history, GOOD)
        elif run.checkpoints.due(spec.checkpoint_every_s):
            run.checkpoints.save(history)
        _show(task, history)
        if history.stopped_early:
            break
    return ""


def _one_step(run: _Run, step: int, window: Sequence[int]) -> str:
    """One update; says what is wrong if there is none."""
    spec, history = run.spec, run.history
    started = time.perf_counter()
    _enter_round(run, step)
    if step in {skipped["step"] - 1 for skipped in history.skipped}:
        history.step = step + 1  # what made it fail stands in these rows
        return ""
    torch.manual_seed(order_seed(spec.seed, step + 1))  # dropout is the same after a resume
    run.model.network.train()
    parts = [p for p in run.learned.micro_batches(window, run.plan) if p.weight > 0]
    weight = sum(part.weight for part in parts)
    if not parts:
        history.skipped.append({"step": step + 1, "reason": "nothing to learn in these rows"})
        history.step = step + 1
        return ""
    summed = run.world.total(_backward(run, parts, weight))
    run.weights.add_up(run.world)
    update = Update(run.weights, run.optimizer)
    norm = update.clip(spec.max_grad_norm) if math.isfinite(summed) else math.nan
    if not math.isfinite(norm):
        run.weights.forget()
        what = "gradient" if math.isfinite(summed) else "loss"
        history.skipped.append({"step": step + 1, "reason": f"the {what} is not a number"})
        return f"the {what} is not a number at step {step + 1} ({run.learned.origins[window[0]]})"
    warmup = warmup_steps(run.total, ratio=spec.warmup_ratio, steps=spec.warmup_steps)
    lr = spec.peak_lr * factor(spec.schedule, step, run.total, warmup_steps=warmup)
    update.apply(lr * history.lr_scale)
    history.step = step + 1
    history.tokens += sum(part.tokens for part in parts)
    history.seconds += time.perf_counter() - started
    lr *= history.lr_scale
    line = [step + 1, summed, lr, history.tokens, round(history.seconds, 3), norm]
    history.train.append(line)
    figures = {"loss": summed, "learning_rate": lr, "grad_norm": norm}
    run.observer.step(step + 1, {**figures, "tokens": history.tokens})
    return ""


def _backward(run: _Run, parts: Sequence[MicroBatch], weight: float) -> float:
    """Gradients of this process's share of a step; returns its share of the loss."""
    world, summed = run.world, 0.0
    own = [(part, 1.0) for part in parts[world.rank :: world.size]]
    if world.sharded:
        # all processes take equally many passes, and the mean over them is made a sum
        own += [(parts[0], 0.0)] * (-(-len(parts) // world.size) - len(own))
        own = [(part, counts * world.size) for part, counts in own]
    for part, counts in own:
        batch = tensors(part.arrays, run.plan.device)
        # one division by the whole step's weight: the same gradient however it is cut
        loss = run.inside(functools.partial(run.learned.loss, run.model, batch)) / weight
        (loss * counts).backward()
        run.weights.gather()
        if counts:
            summed += float(loss.detach())
    return summed


def _enter_round(run: _Run, step: int) -> None:
    """Freeze what this step's round leaves alone; a round begins with a fresh optimizer."""
    count, method = rounds(run.spec.method), run.spec.method
    number = step * count // run.total
    if number != run.round:
        begin_round(method, run.model.network, number, seed=run.spec.seed)
        run.round = number
    if step and number != (step - 1) * count // run.total:
        run.optimizer.load_state_dict(run.fresh)


def _measure(run: _Run) -> None:
    """Figures of the held-out rows, and some answers; the best weights are kept."""
    history = run.history
    if run.held_out is not None:
        figures = run.inside(functools.partial(run.held_out.measure, run.model, run.plan))
        if history.measured(figures, run.spec.metric_for_best_model):
            run.checkpoints.keep_best()
        run.observer.measured(history.step, figures)
    answers = run.observer.answers()
    history.samples += [{"step": history.step, **answer} for answer in answers]


def _grown(history: History) -> str:
    """Whether the loss of the last steps is far above where it began.

    Twice the mean of the first steps: a run that learns nothing stays near it, one that diverges
    passes it within a few steps.
    """
    done = [line[1] for line in history.train]
    if len(done) < SETTLED:
        return ""
    first, last = sum(done[:RECENT]) / RECENT, sum(done[-RECENT:]) / RECENT
    if first > 0 and last > 2 * first:
        return f"the loss grew to {last:.3g} at step {history.step}, from {first:.3g} at the start"
    return ""


def _roll_back(run: _Run, problem: str) -> None:
    """Return to the last good checkpoint with half the learning rate.

    Raises:
        TuneError: There is none, or it has been done often enough.
    """
    before = run.history
    good = run.checkpoints.roll_back() if len(before.rollbacks) < run.spec.max_rollbacks else None
    if good is None:
        raise TuneError(
            problem,
            where=f"step {before.step + 1}",
            mend="Lower tune.lr, or raise tune.warmup_ratio."
            + (f" It was halved {len(before.rollbacks)} times." if before.rollbacks else ""),
        )
    good.rollbacks = [
        *before.rollbacks,
        {"step": before.step, "to": good.step, "reason": problem},
    ]
    good.skipped = before.skipped
    good.lr_scale = before.lr_scale / 2
    good.seconds = before.seconds
    run.history = good
    run.checkpoints.save(good)  # else a run killed now would come back here with another count


def _told(rollback: dict[str, Any]) -> str:
    return (
        f"{rollback['reason']}: back to step {rollback['to']}, and on with half the learning rate"
    )


def _show(task: Task, history: History) -> None:
    recent = history.train[-10:]
    note = f"loss {sum(r[1] for r in recent) / max(1, len(recent)):.3f}"
    if history.validation:
        note += f" · val {history.validation[-1]['loss']:.3f}"
    task.advance(1, f"{note} · {history.tokens_per_s:,.0f} tok/s")


def _measure_every(spec: TuneSpec, total: int) -> int:
    return spec.validation_every or max(1, total // 8)
