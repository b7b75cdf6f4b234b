"""Rows with labels as the training loop eats them: texts end to end, and what they should score."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._objective import MicroBatch, judging, tensors
from luthier.tune._supervised_network import Pooling, scores

_STEP = 64  # tokens; kernels are made for each shape that occurs, so that few may occur
_GRID_STEP = 8  # columns of the grid, likewise

Scores = NDArray[np.float32]
Targets = NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class TextRows:
    """Token ids of texts laid end to end.

    Attributes:
        ids: int32, all rows' tokens.
        starts: int64, where each row begins, and a last entry for the end.
        origins: One per row.
        words: int32, for token classification the tokens (counted within their row) that stand for
            words, row by row; else empty.
        word_starts: int64, where each row's words begin, and a last entry; else all 0.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    origins: tuple[str, ...]
    words: NDArray[np.int32]
    word_starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.starts)


def join(rows: Sequence[Sequence[int]], origins: Sequence[str]) -> TextRows:
    """Lay token ids of rows end to end."""
    return join_words(rows, [()] * len(rows), origins)


def join_words(
    rows: Sequence[Sequence[int]], words: Sequence[Sequence[int]], origins: Sequence[str]
) -> TextRows:
    """The same with the tokens that stand for words."""
    ids, starts = _end_to_end(rows)
    heads, word_starts = _end_to_end(words)
    return TextRows(ids, starts, tuple(origins), heads, word_starts)


def _end_to_end(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    ids = np.fromiter((i for row in rows for i in row), dtype=np.int32, count=int(starts[-1]))
    return ids, starts.astype(np.int64)


@dataclasses.dataclass(frozen=True, slots=True)
class Supervised:
    """Rows with what a network should say of them.

    Attributes:
        rows: The texts.
        targets: One for each row, or for each word where words are labelled.
        weights: What each target counts, float32.
        summed: (scores, targets) -> the sum of their losses.
        figures: (scores, targets) -> what is measured beside the loss.
        pooling: How the states of a row become one.
        unit: What a loss is per: ``row`` or ``word``.
        made: No row is made here.
    """

    rows: TextRows
    targets: Targets
    weights: NDArray[np.float32]
    summed: Callable[[Tensor, Tensor], Tensor]
    figures: Callable[[Scores, Targets], dict[str, float]]
    pooling: Pooling = "auto"
    unit: str = "row"
    made: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def origins(self) -> Sequence[str]:
        """One per row."""
        return self.rows.origins

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return self.rows.lengths

    @property
    def size(self) -> int:
        """Rows or words with a loss."""
        return len(self.targets)

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Rows of about equal length together, as many as the plan's micro-batch holds."""
        for part in batches(self.rows, rows, plan):
            arrays = lay_out(self.rows, part)
            learned = np.asarray(part)
            if self.unit == "word":
                begins, ends = self.rows.word_starts[:-1][part], self.rows.word_starts[1:][part]
                learned = _ranges(begins, ends)
            arrays["targets"] = self.targets[learned]
            weight = float(self.weights[learned].sum(dtype=np.float64))
            yield MicroBatch(arrays, weight, len(arrays["places"]))

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the losses of a micro-batch."""
        return self.summed(scores(model.network, batch, self.pooling), batch["targets"])

    def measure(self, model: Model, plan: Plan) -> dict[str, float]:
        """Mean loss, and the figures of this kind of target."""
        found = predict(model, self.rows, plan, self.pooling)
        summed = self.summed(torch.from_numpy(found), torch.from_numpy(self.targets))
        loss = float(summed) / float(self.weights.sum(dtype=np.float64))
        return {"loss": loss, **self.figures(found, self.targets)}


def predict(model: Model, rows: TextRows, plan: Plan, pooling: Pooling) -> Scores:
    """Scores of all rows (or of all their words), in their order, float32.

    Args:
        model: In any mode; it is put back into the one it was in.
        rows: The texts.
        plan: Device and micro-batch.
        pooling: As in training.
    """
    parts, order = [], []
    with judging(model.network):
        for part in batches(rows, range(len(rows)), plan):
            batch = tensors(lay_out(rows, part), plan.device)
            parts.append(scores(model.network, batch, pooling).cpu().numpy())
            order.append(_numbers(rows, part))
    places = np.concatenate(order)
    found = np.concatenate(parts)
    result = np.empty_like(found)
    result[places] = found
    return result


def batches(rows: TextRows, numbers: Sequence[int], plan: Plan) -> Iterator[NDArray[np.int64]]:
    """Row numbers sorted by length, cut so that a grid of each part stays within the plan."""
    order = np.asarray(numbers, dtype=np.int64)
    order = order[np.argsort(rows.lengths[order], kind="stable")]
    lengths, begin = rows.lengths[order], 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and lengths[end] * (end + 1 - begin) <= plan.micro_batch_tokens:
            end += 1
        yield order[begin:end]
        begin = end


def lay_out(rows: TextRows, numbers: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Arrays of some rows.

    Returns:
        ids, positions: int64 [filled], rows end to end and filling up to the next 64 tokens, at
            least one.
        grid: int64 [rows, longest], numbers of tokens; behind a row's end the last of all.
        places: int64 [tokens], where each token stands in the flattened grid.
        rows: int64 [tokens], the row of each token.
        lengths: int64 [rows].
        words: int64 [words], numbers of the tokens that stand for words; only if there are some.
    """
    begins, lengths = rows.starts[:-1][numbers], rows.lengths[numbers]
    tokens = int(lengths.sum())
    filled = (tokens // _STEP + 1) * _STEP
    row = np.repeat(np.arange(len(numbers)), lengths)
    first = np.cumsum(lengths) - lengths
    within = np.arange(tokens) - first[row]
    width = -(-int(lengths.max()) // _GRID_STEP) * _GRID_STEP
    ids, positions = np.zeros(filled, np.int64), np.zeros(filled, np.int64)
    ids[:tokens], positions[:tokens] = rows.ids[begins[row] + within], within
    places = row * width + within
    grid = np.full(len(numbers) * width, filled - 1, np.int64)
    grid[places] = np.arange(tokens)
    arrays: dict[str, NDArray[Any]] = {
        "ids": ids,
        "positions": positions,
        "grid": grid.reshape(len(numbers), width),
        "places": places,
        "rows": row,
        "lengths": lengths,
    }
    if len(rows.words):
        begins, ends = rows.word_starts[:-1][numbers], rows.word_starts[1:][numbers]
        owner = np.repeat(np.arange(len(numbers)), ends - begins)
        arrays["words"] = first[owner] + rows.words[_ranges(begins, ends)]
    return arrays


def _numbers(rows: TextRows, part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which scores a part of the rows gives, in the order of all."""
    if not len(rows.words):
        return part
    return _ranges(rows.word_starts[:-1][part], rows.word_starts[1:][part])


def _ranges(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of several ranges, one after the other."""
    lengths = ends - begins
    first = np.cumsum(lengths) - lengths
    found: NDArray[np.int64] = np.arange(int(lengths.sum())) + np.repeat(begins - first, lengths)
    return found
