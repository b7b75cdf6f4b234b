"""Preference objectives on packed rows: log-probabilities of answers, and what is made of them.

No second model is held: the reference's log-probabilities are computed before the first step,
while the model still is the reference, and kept as one number for each answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luthier.models.likelihood import nll
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._objective import MicroBatch, judging, tensors
from luthier.tune._pack import collate
from luthier.tune._rows import Rows

Figures = dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """Rows whose log-probabilities count as a whole.

    Attributes:
        rows: Each with one answer.
        width: Tokens of a packed sequence.
        pad_id: Written where nothing is.
    """

    rows: Rows
    width: int
    pad_id: int

    @property
    def tokens(self) -> NDArray[np.float32]:
        """Learned tokens of each row."""
        learned = np.add.reduceat(self.rows.mask, self.rows.starts[:-1], dtype=np.int64)
        return learned.astype(np.float32)

    def packed(
        self, groups: Sequence[Sequence[int]], plan: Plan
    ) -> Iterator[tuple[list[int], dict[str, NDArray[Any]]]]:
        """Rows in packed sequences, as many at once as the plan's micro-batch holds.

        Args:
            groups: Rows that must be in memory together.
            plan: Its micro-batch.

        Yields:
            Row numbers, group by group, and their arrays: those of ``_pack.Batch``, and ``row``:
            int64, which of these rows a wanted token belongs to, -1 where none is wanted.
        """
        most = max(1, plan.micro_batch_tokens // self.width)
        lengths = self.rows.lengths
        own: list[list[int]] = []
        numbers: list[int] = []
        # the longest first: short ones fill what they leave
        for group in sorted(groups, key=lambda g: -int(lengths[list(g)].max())):
            longer = _placed(own, group, lengths, self.width)
            if numbers and len(longer) > most:
                yield numbers, self._arrays(numbers, own)
                longer, numbers = _placed([], group, lengths, self.width), []
            own, numbers = longer, [*numbers, *group]
        if numbers:
            yield numbers, self._arrays(numbers, own)

    def _arrays(
        self, numbers: Sequence[int], sequences: Sequence[Sequence[int]]
    ) -> dict[str, NDArray[Any]]:
        packed = [np.array(sequence, dtype=np.int64) for sequence in sequences]
        batch = collate(self.rows, packed, self.pad_id, self.width)
        place = {number: at for at, number in enumerate(numbers)}
        row = np.full(batch.targets.shape, -1, dtype=np.int64)
        for line, sequence in enumerate(sequences):
            own = np.array([place[number] for number in sequence])
            wanted = batch.targets[line] >= 0
            row[line, wanted] = own[batch.segments[line, wanted]]
        return {**batch.arrays, "row": row}

    def logps(self, model: Model, plan: Plan) -> NDArray[np.float32]:
        """Log-probability (nats) of each row's answer, without gradients, the adapter as it is."""
        found = np.zeros(len(self.rows), dtype=np.float32)
        with judging(model.network):
            for numbers, arrays in self.packed([[i] for i in range(len(self.rows))], plan):
                batch = tensors(arrays, plan.device)
                found[numbers] = summed(model, batch, len(numbers)).cpu().numpy()
        return found


def summed(model: Model, batch: Mapping[str, Tensor], rows: int, prefix: str = "") -> Tensor:
    """Sums of the log-probabilities (nats) of each row's wanted tokens.

    Args:
        model: The model.
        batch: Arrays of ``Answers.packed`` as tensors.
        rows: How many rows there are.
        prefix: Before the names of the arrays.

    Returns:
        float32 [rows].
    """
    names = ("ids", "positions", "segments", "targets")
    ids, positions, segments, targets = (batch[prefix + name] for name in names)
    losses, _ = nll(model.network, ids, positions, segments, targets)
    own = batch[prefix + "row"][targets >= 0]
    return losses.new_zeros(rows).index_add(0, own, -losses)


def reference_logps(answers: Answers, model: Model, plan: Plan) -> NDArray[np.float32]:
    """Log-probability of each answer under the model as it was: without its new adapter, if any."""
    network = model.network
    if hasattr(network, "disable_adapter"):
        with network.disable_adapter():
            return answers.logps(model, plan)
    return answers.logps(model, plan)


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of answers to the same prompt: row 2i is better than row 2i + 1.

    Attributes:
        answers: Their rows.
        reference: float32 [rows], log-probabilities under the reference; zeros if there is none.
        by_token: Whether log-probabilities are means over an answer's tokens, not sums.
        losses: Of each pair, from the log-ratios of the better and the worse answers.
        beta: What log-ratios are multiplied by to be rewards.
        made: One row for each example, so none beyond.
        unit: Losses are per pair.
    """

    answers: Answers
    reference: NDArray[np.float32]
    by_token: bool
    losses: Callable[[Tensor, Tensor, Tensor], Tensor]
    beta: float
    made: int = 0
    unit: str = "pair"

    def __len__(self) -> int:
        return len(self.answers.rows) // 2

    @property
    def origins(self) -> Sequence[str]:
        """One per pair."""
        return self.answers.rows.origins[::2]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of both answers of each pair, the prompt counted twice."""
        lengths: NDArray[np.int64] = self.answers.rows.lengths.reshape(-1, 2).sum(1)
        return lengths

    @property
    def size(self) -> int:
        """Pairs."""
        return len(self)

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Whole pairs, packed."""
        tokens, lengths = self.answers.tokens, self.answers.rows.lengths
        for numbers, arrays in self.answers.packed([[2 * i, 2 * i + 1] for i in rows], plan):
            arrays |= {"reference": self.reference[numbers], "tokens": tokens[numbers]}
            yield MicroBatch(arrays, len(numbers) // 2, int(lengths[numbers].sum()))

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the losses of all pairs."""
        logps = summed(model, batch, len(batch["tokens"]))
        return self._losses(logps, batch["reference"], batch["tokens"]).sum()

    def _losses(self, logps: Tensor, reference: Tensor, tokens: Tensor) -> Tensor:
        ratio = logps - reference
        ratio = ratio / tokens if self.by_token else ratio
        return self.losses(ratio[::2], ratio[1::2], logps[::2] / tokens[::2])

    def measure(self, model: Model, plan: Plan) -> Figures:
        """Loss per pair, and rewards: log-ratios to the reference times beta (nats).

        ``accuracy`` is the share of pairs whose better answer has the higher reward, ``margin`` by
        how much on average; equal rewards count half.
        """
        logps = torch.from_numpy(self.answers.logps(model, plan))
        reference, tokens = torch.from_numpy(self.reference), torch.from_numpy(self.answers.tokens)
        rewards = self.beta * (logps - reference)
        rewards = rewards / tokens if self.by_token else rewards
        better, worse = rewards[::2], rewards[1::2]
        return {
            "loss": float(self._losses(logps, reference, tokens).mean()),
            "accuracy": float(((better > worse).float() + (better >= worse).float()).mean() / 2),
            "margin": float((better - worse).mean()),
            "reward_chosen": float(better.mean()),
            "reward_rejected": float(worse.mean()),
        }


@dataclasses.dataclass(slots=True)
class Judged:
    """Answers that are desirable or not, for KTO.

    Attributes:
        answers: Their rows.
        others: Each row's prompt with another row's answer, for the reference point.
        desirable: float32 [rows], 1 or 0.
        reference: float32 [rows], log-probabilities under the reference.
        others_reference: The same of ``others``.
        losses: Of each row, from log-ratios, marks and the reference point.
        beta: What log-ratios are multiplied by to be rewards.
        made: Rows beyond one for each example: the worse answers of pairs.
        unit: Losses are per row.
    """

    answers: Answers
    others: Answers
    desirable: NDArray[np.float32]
    reference: NDArray[np.float32]
    others_reference: NDArray[np.float32]
    losses: Callable[[Tensor, Tensor, Tensor], Tensor]
    beta: float
    made: int = 0
    unit: str = "row"
    _windows: int = 0
    _point: tuple[int, Tensor] = (-1, torch.zeros(()))  # of the window with this number

    def __len__(self) -> int:
        return len(self.answers.rows)

    @property
    def origins(self) -> Sequence[str]:
        """One per row."""
        return self.answers.rows.origins

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per row."""
        return self.answers.rows.lengths

    @property
    def size(self) -> int:
        """Rows."""
        return len(self)

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Packed rows; each part brings what the reference point of all of them is made of."""
        self._windows += 1
        others = dict(self._others(rows, plan))
        tokens = self.answers.rows.lengths
        for numbers, arrays in self.answers.packed([[i] for i in rows], plan):
            arrays |= {"reference": self.reference[numbers], "desirable": self.desirable[numbers]}
            arrays |= {**others, "window": np.array(self._windows)}
            yield MicroBatch(arrays, len(numbers), int(tokens[numbers].sum()))

    def _others(self, rows: Sequence[int], plan: Plan) -> Iterator[tuple[str, NDArray[Any]]]:
        """Arrays of the mismatched rows of a window, all parts of it named by their number."""
        for part, (numbers, arrays) in enumerate(self.others.packed([[i] for i in rows], plan)):
            for name, array in arrays.items():
                yield f"other{part}_{name}", array
            yield f"other{part}_reference", self.others_reference[numbers]

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the losses of all rows.

        The reference point is that of the whole window, so that a gradient does not depend on how
        the window is cut; it is computed with the window's first part.
        """
        window = int(batch["window"])
        if self._point[0] != window:
            self._point = (window, _divergence(model, batch))
        ratio = summed(model, batch, len(batch["reference"])) - batch["reference"]
        return self.losses(ratio, batch["desirable"], self._point[1]).sum()

    def measure(self, model: Model, plan: Plan) -> Figures:
        """Loss per row, and rewards: log-ratios to the reference times beta (nats).

        ``accuracy`` is the share of rows on the right side of the reference point ``kl`` (nats),
        ``margin`` how much higher the rewards of desirable answers are than those of others.
        """
        other = self.others.logps(model, plan) - self.others_reference
        point = torch.tensor(float(other.mean())).clamp(min=0)
        ratio = torch.from_numpy(self.answers.logps(model, plan) - self.reference)
        desirable = torch.from_numpy(self.desirable)
        right = torch.where(desirable > 0, ratio > point, ratio < point).float()
        figures = {
            "loss": float(self.losses(ratio, desirable, point).mean()),
            "accuracy": float((right + (ratio == point).float() / 2).mean()),
            "kl": float(point),
        }
        good, bad = self.beta * ratio[desirable > 0], self.beta * ratio[desirable == 0]
        if len(good) and len(bad):
            figures["margin"] = float(good.mean() - bad.mean())
        return figures


def _divergence(model: Model, batch: Mapping[str, Tensor]) -> Tensor:
    """Mean log-ratio of answers to other prompts, at least 0: an estimate of the divergence."""
    ratios: list[Tensor] = []
    with judging(model.network):
        while f"other{len(ratios)}_row" in batch:
            prefix = f"other{len(ratios)}_"
            reference = batch[prefix + "reference"]
            ratios.append(summed(model, batch, len(reference), prefix) - reference)
    return torch.cat(ratios).mean().clamp(min=0)


def _placed(
    sequences: Sequence[Sequence[int]],
    rows: Sequence[int],
    lengths: NDArray[np.int64],
    width: int,
) -> list[list[int]]:
    """Sequences with some more rows, each in the first that has room."""
    filled = [list(sequence) for sequence in sequences]
    for row in rows:
        room = (s for s in filled if int(lengths[s].sum() + lengths[row]) <= width)
        found = next(room, None)
        if found is None:
            filled.append(found := [])
        found.append(row)
    return filled
