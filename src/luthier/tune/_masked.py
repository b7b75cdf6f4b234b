"""The masked-token objective of BERT-type models (Devlin et al. 2019, section 3.1, task 1)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from luthier.models.load import Model
from luthier.models.masked import logits_at
from luthier.setup.plan import Plan
from luthier.tune._objective import MicroBatch, judging, tensors
from luthier.tune._rows import Rows

SHARE = 0.15  # of the tokens that are predicted
MASKED, RANDOM = 0.8, 0.1  # of those: hidden, or another token in their place; the rest is shown


@dataclasses.dataclass(frozen=True, slots=True)
class MaskedToken:
    """Rows of which some tokens are predicted from all others, drawn anew at each step.

    Drawing anew is the dynamic masking of RoBERTa (Liu et al. 2019, section 4.1).

    Attributes:
        rows: The token rows; an end token is put behind those without.
        mask_id: The mask token's id.
        pad_id: Written where nothing is.
        end_id: The end token's id; it is never predicted.
        vocab_size: Ids that a token may be replaced by are below this.
        made: Rows beyond one for each text.
        unit: Losses are per predicted token.
    """

    rows: Rows
    mask_id: int
    pad_id: int
    end_id: int
    vocab_size: int
    made: int = 0
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
        """Tokens that are predicted in one pass, about."""
        return max(1, round(self.rows.learned_tokens * SHARE))

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Rows of similar length, padded; torch's generator draws what is masked."""
        whole = sorted((self._whole(row) for row in rows), key=len, reverse=True)
        while whole:
            size = max(1, plan.micro_batch_tokens // len(whole[0]))
            yield self._batch(whole[:size])
            whole = whole[size:]

    def _whole(self, row: int) -> NDArray[np.int32]:
        """A row that ends with an end token."""
        own = self.rows.ids[self.rows.starts[row] : self.rows.starts[row + 1]]
        return own if own[-1] == self.end_id else np.append(own, np.int32(self.end_id))

    def _batch(self, chosen: Sequence[NDArray[np.int32]]) -> MicroBatch:
        width = len(chosen[0])
        ids = np.full((len(chosen), width), self.pad_id, dtype=np.int64)
        seen = np.zeros_like(ids)
        free = np.zeros(ids.shape, dtype=np.bool_)
        for line, own in enumerate(chosen):
            ids[line, : len(own)] = own
            seen[line, : len(own)] = 1
            free[line, : len(own)] = own != self.end_id
        draw = torch.rand(ids.shape).numpy()
        draw[~free] = 1.0
        least = np.minimum(draw.min(axis=1, keepdims=True), 1 - 1e-6)  # one of each row at least
        wanted = (draw < SHARE) | (free & (draw <= least))
        targets = np.where(wanted, ids, -100)
        kind = torch.rand(ids.shape).numpy()
        others = torch.randint(self.vocab_size, ids.shape).numpy()
        ids[wanted & (kind < MASKED)] = self.mask_id
        swapped = wanted & (kind >= MASKED) & (kind < MASKED + RANDOM)
        ids[swapped] = others[swapped]
        arrays: dict[str, NDArray[Any]] = {"ids": ids, "seen": seen, "targets": targets}
        return MicroBatch(arrays, float(wanted.sum()), int(seen.sum()))

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the cross-entropies (nats) of the predicted tokens."""
        rows, columns = (batch["targets"] >= 0).nonzero(as_tuple=True)
        logits = logits_at(model.network, batch["ids"], batch["seen"], rows, columns)
        wanted = batch["targets"][rows, columns]
        return functional.cross_entropy(logits.float(), wanted, reduction="sum")

    def measure(self, model: Model, plan: Plan) -> dict[str, float]:
        """Loss (nats per predicted token) with the same tokens masked each time, and perplexity."""
        total = weight = 0.0
        with judging(model.network), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for part in self.micro_batches(range(len(self.rows)), plan):
                total += float(self.loss(model, tensors(part.arrays, plan.device)))
                weight += part.weight
        loss = total / weight
        return {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}
