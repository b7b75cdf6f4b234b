"""What the loop trains on: rows ready to be learned, and their loss; the loop knows no text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.setup.optimizers import batch_of

if TYPE_CHECKING:
    from torch import Tensor

    from luthier.models.load import Model
    from luthier.setup.plan import Plan
    from luthier.tune.tune import TuneSpec


@dataclasses.dataclass(frozen=True, slots=True)
class MicroBatch:
    """As many rows as are in memory at once.

    Attributes:
        arrays: They become tensors on the device, under the same names.
        weight: What this part adds to the divisor of the step's loss: learned tokens, rows, pairs.
        tokens: Read in it, padding not counted.
    """

    arrays: dict[str, NDArray[Any]]
    weight: float
    tokens: int


def tensors(arrays: Mapping[str, NDArray[Any]], device: str) -> dict[str, Tensor]:
    """Arrays as tensors on a device, under the same names."""
    import torch

    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


@contextmanager
def judging(network: Any) -> Iterator[None]:
    """Without gradients or dropout; then the network is in the mode in which it was.

    What is computed here may be a constant of a loss, which tensors of inference mode may not.
    """
    import torch

    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


class Objective(Protocol):
    """Rows of one kind and their loss. Training and validation rows are two of them."""

    @property
    def unit(self) -> str:
        """What a loss is per: ``token``, ``row`` or ``pair``."""

    @property
    def origins(self) -> Sequence[str]:
        """Where each row comes from."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""

    @property
    def size(self) -> int:
        """Units with a loss in all rows: learned tokens, rows, pairs."""

    @property
    def made(self) -> int:
        """Rows beyond one for each example: of documents, drills, split conversations."""

    def __len__(self) -> int:
        """Rows."""

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Rows, by number, in parts that memory holds; their order is up to the objective."""

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """The sum of the losses of a micro-batch: a float32 scalar with a graph."""

    def measure(self, model: Model, plan: Plan) -> dict[str, float]:
        """Figures of a model on all rows, without gradients: at least ``loss``, per unit."""


def windows(lengths: NDArray[np.int64], spec: TuneSpec, *, epoch: int) -> list[list[int]]:
    """The rows of each optimizer step of one pass, shuffled anew in each.

    Every row is in exactly one window, and each pass has equally many windows.

    Args:
        lengths: Tokens of each row.
        spec: Its optimizer may want all rows at once or one at a time; else ``batch_rows`` or
            ``batch_tokens`` decide.
        epoch: Number of the pass.
    """
    rows = len(lengths)
    order = np.random.default_rng(order_seed(spec.seed, epoch)).permutation(rows)
    kind = batch_of(spec.optimizer)
    if kind == "all":
        return [order.tolist()]
    if kind == "row" or spec.batch_rows:
        size = 1 if kind == "row" else spec.batch_rows or 1
        return [order[i : i + size].tolist() for i in range(0, rows, size)]
    parts = min(rows, math.ceil(int(lengths.sum()) / spec.batch_tokens))
    return _cut(order, lengths[order], max(1, parts))


def _cut(order: NDArray[np.int64], lengths: NDArray[np.int64], parts: int) -> list[list[int]]:
    """Cut rows into parts of about equally many tokens, none of them empty."""
    ends = np.cumsum(lengths)
    bounds = np.searchsorted(ends, ends[-1] * np.arange(1, parts) / parts)
    # each bound at least one row after the one before, and with a row left for each that follows
    step = np.arange(1, parts)
    bounds = np.maximum.accumulate(np.maximum(bounds, 1) - step) + step
    bounds = np.minimum(bounds, len(order) - parts + step)
    return [part.tolist() for part in np.split(order, bounds)]


def order_seed(seed: int, number: int) -> int:
    """A seed for each pass, or step, of a run."""
    return (seed * 1_000_003 + number) % (1 << 31)


def total_steps(objective: Objective, spec: TuneSpec) -> int:
    """Optimizer steps of the whole run."""
    per_epoch = len(windows(objective.lengths, spec, epoch=0))
    steps = max(1, round(per_epoch * spec.epochs))
    return min(steps, spec.max_steps) if spec.max_steps else steps


def steps(
    objective: Objective, spec: TuneSpec, total: int, done: int
) -> Iterator[tuple[int, list[int]]]:
    """(step, its rows) for every step not yet done."""
    step = epoch = 0
    while step < total:
        for window in windows(objective.lengths, spec, epoch=epoch):
            if done <= step < total:
                yield step, window
            step += 1
        epoch += 1
