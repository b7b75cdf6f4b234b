"""The next-token objective: instruction tuning and pretraining on packed rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from luthier.models.likelihood import nll, summed_nll
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._objective import MicroBatch, judging, tensors
from luthier.tune._pack import collate, pack
from luthier.tune._rows import Rows


@dataclasses.dataclass(frozen=True, slots=True)
class NextToken:
    """Rows whose learned tokens are predicted from those before them.

    Attributes:
        rows: The token rows.
        width: Tokens of a packed sequence.
        pad_id: Written where nothing is.
        made: Rows that are not of an example: pieces of documents, drills.
        smoothing: Share of each target spread evenly over the vocabulary while learning;
            measuring does not know it.
        unit: Losses are per learned token.
    """

    rows: Rows
    width: int
    pad_id: int
    made: int = 0
    smoothing: float = 0.0
    unit: str = "token"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def origins(self) -> Sequence[str]:
        """One per row."""
        return self.rows.origins

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per row."""
        return self.rows.lengths

    @property
    def size(self) -> int:
        """Learned tokens."""
        return self.rows.learned_tokens

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Packed sequences, as many as the plan's micro-batch holds."""
        numbers = np.asarray(rows)
        packed = pack(self.rows.lengths[numbers], self.width, seed=0)
        sequences = [numbers[sequence] for sequence in packed]
        size = max(1, plan.micro_batch_tokens // self.width)
        for begin in range(0, len(sequences), size):
            batch = collate(self.rows, sequences[begin : begin + size], self.pad_id, self.width)
            yield MicroBatch(batch.arrays, batch.weight, batch.tokens)

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the cross-entropies (nats) of the learned tokens, each times its weight."""
        if "weights" not in batch:
            return summed_nll(model.network, *_packed(batch), smoothing=self.smoothing)
        losses, _ = nll(model.network, *_packed(batch), smoothing=self.smoothing)
        return (losses * _own_weights(batch)).sum()

    def measure(self, model: Model, plan: Plan) -> dict[str, float]:
        """Loss (nats per learned token), perplexity, and bits for each byte of learned text.

        Where tokens have weights, the loss is their weighted mean.
        """
        total = weighted = 0.0
        with judging(model.network):
            for part in self.micro_batches(range(len(self.rows)), plan):
                batch = tensors(part.arrays, plan.device)
                losses = nll(model.network, *_packed(batch))[0].double()
                total += float(losses.sum())
                own = _own_weights(batch) if "weights" in batch else 1.0
                weighted += float((losses * own).sum())
        loss = weighted / self.rows.weight
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "bits_per_byte": total / math.log(2) / max(1, self.rows.learned_bytes),
        }


def _packed(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return batch["ids"], batch["positions"], batch["segments"], batch["targets"]


def _own_weights(batch: Mapping[str, Tensor]) -> Tensor:
    """Of the wanted tokens, in their order."""
    return batch["weights"][batch["targets"] >= 0]
