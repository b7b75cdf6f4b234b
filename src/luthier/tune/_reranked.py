"""Passages scored for a question by reading both together: the objective of a cross-encoder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from luthier.core.ledger import Ledger
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._compared import first_place, found_at
from luthier.tune._objective import MicroBatch
from luthier.tune._pairs import Pair, cut_short, tokens_of
from luthier.tune._supervised import TextRows, join, lay_out, predict
from luthier.tune._supervised_network import scores

if TYPE_CHECKING:
    from luthier.tune.retrieval import Reranker
    from luthier.tune.tune import TuneSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Reranked:
    """Rows of a question with passages, the first of which answers it.

    Attributes:
        texts: Questions and passages read together, row by row.
        starts: int64 [rows + 1], where each row's passages begin.
        origins: One per row.
        spec: Which loss.
        unit: What a loss is per.
        made: No row is made here.
    """

    texts: TextRows
    starts: NDArray[np.int64]
    origins: tuple[str, ...]
    spec: Reranker
    unit: str = "row"
    made: int = 0

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, all its passages counted."""
        begins = np.concatenate([[0], np.cumsum(self.texts.lengths)])[self.starts]
        return np.diff(begins)

    @property
    def size(self) -> int:
        """Rows."""
        return len(self)

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Rows whole, as many as the plan's micro-batch holds."""
        part: list[int] = []
        lengths, tokens = self.lengths, 0
        for row in rows:
            if part and tokens + lengths[row] > plan.micro_batch_tokens:
                yield self._batch(part)
                part, tokens = [], 0
            part.append(int(row))
            tokens += int(lengths[row])
        if part:
            yield self._batch(part)

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the losses of some rows."""
        found = scores(model.network, batch, "auto")[:, 0]
        return self._summed(found, batch["counts"].tolist())

    def measure(self, model: Model, plan: Plan) -> dict[str, float]:
        """Mean loss; ``accuracy``, the share of rows whose first passage is right, and ``mrr``."""
        found = predict(model, self.texts, plan, "auto")[:, 0]
        counts = np.diff(self.starts).tolist()
        summed = float(self._summed(torch.from_numpy(found), counts))
        parts = np.split(found, self.starts[1:-1])
        places = [first_place(p, [True, *[False] * (len(p) - 1)]) for p in parts]
        return {"loss": summed / len(self), **found_at(places)}

    def _batch(self, part: Sequence[int]) -> MicroBatch:
        numbers = np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in part])
        arrays = lay_out(self.texts, numbers)
        arrays["counts"] = np.array([self.starts[i + 1] - self.starts[i] for i in part])
        return MicroBatch(arrays, float(len(part)), len(arrays["places"]))

    def _summed(self, found: Tensor, counts: list[int]) -> Tensor:
        """Sum over rows of the loss of their passages' scores; the first is the right one."""
        rows = pad_sequence(list(torch.split(found, counts)), True, -math.inf)
        if self.spec.loss_type == "listwise":
            first = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
            return functional.cross_entropy(rows, first, reduction="sum")
        right = torch.zeros_like(rows)
        right[:, 0] = 1.0
        there = torch.isfinite(rows)
        each = functional.binary_cross_entropy_with_logits(
            rows.masked_fill(~there, 0.0), right, reduction="none"
        )
        return ((each * there).sum(1) / there.sum(1)).sum()


def reranked(
    spec: Reranker, pairs: Sequence[Pair], model: Model, tuning: TuneSpec, ledger: Ledger
) -> Reranked:
    """Rows of pairs; those without any negative are refused.

    Args:
        spec: Which loss.
        pairs: Questions and passages.
        model: Its tokenizer is used.
        tuning: Its ``max_length`` counts.
        ledger: Gets refused rows, and those of which only the beginning is read.
    """
    length = min(tuning.max_length, model.context_length)
    usable = []
    for pair in pairs:
        if pair.negatives:
            usable.append(pair)
        else:
            ledger.refuse("no passage to compare with", pair.origin)
    passages = [[p.positive, *p.negatives] for p in usable]
    asked = [p.question for p, own in zip(usable, passages, strict=True) for _ in own]
    origins = [p.origin for p, own in zip(usable, passages, strict=True) for _ in own]
    ids = tokens_of(asked, model, length, [t for own in passages for t in own]) if asked else []
    for origin, short in zip(origins, cut_short(ids, length), strict=True):
        if short:
            ledger.change(f"its first {length} tokens are read", origin)
    starts = np.concatenate([[0], np.cumsum([len(own) for own in passages])]).astype(np.int64)
    return Reranked(join(ids, origins), starts, tuple(p.origin for p in usable), spec)
