"""Questions compared with passages by their vectors: the objective of a sentence encoder."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from luthier.core.ledger import Ledger
from luthier.models._fused_bert_network import stack_of
from luthier.models._fused_network import UnknownNetworkError
from luthier.models.encode import Vectors
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune import _supervised_bert as bert
from luthier.tune._objective import MicroBatch
from luthier.tune._pairs import Pair, cut_short, tokens_of
from luthier.tune._supervised import TextRows, batches, join, lay_out

if TYPE_CHECKING:
    from luthier.tune.retrieval import EncoderPairs
    from luthier.tune.tune import TuneSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """Rows of a question, its passage and its hard negatives, each a number of a text.

    Attributes:
        texts: Questions and passages, each once.
        questions: int64 [rows].
        positives: int64 [rows].
        negatives: Of each row, any number.
        known: Of each row all passages that answer its question.
        origins: One per row.
        spec: Temperature, and how many are compared.
        pooling: ``mean`` or ``cls``.
        unit: What a loss is per.
        made: No row is made here.
    """

    texts: TextRows
    questions: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: tuple[tuple[int, ...], ...]
    known: tuple[frozenset[int], ...]
    origins: tuple[str, ...]
    spec: EncoderPairs
    pooling: str
    unit: str = "row"
    made: int = 0

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, all its passages counted."""
        each = self.texts.lengths
        own = zip(self.questions, self.positives, self.negatives, strict=True)
        return np.array([each[[q, p, *n]].sum() for q, p, n in own], dtype=np.int64)

    @property
    def size(self) -> int:
        """Rows."""
        return len(self)

    def micro_batches(self, rows: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
        """Rows that are compared with each other, whatever memory holds: the loss is theirs."""
        for part in groups(rows, self.spec.compared):
            numbers, places = np.unique(self._texts(part), return_inverse=True)
            arrays = lay_out(self.texts, numbers)
            place = dict(zip(self._texts(part), places.tolist(), strict=True))
            arrays |= self._comparison(part, place)
            wide = arrays["barred"].shape[1] > 1  # a passage alone is found without learning
            yield MicroBatch(arrays, float(len(part) * wide), len(arrays["places"]))

    def loss(self, model: Model, batch: Mapping[str, Tensor]) -> Tensor:
        """Sum of the losses of the questions of a group."""
        vectors = functional.normalize(pooled(model.network, batch, self.pooling), dim=-1)
        return self._losses(vectors, batch).sum()

    def measure(self, model: Model, plan: Plan) -> dict[str, float]:
        """Mean loss in groups of fixed rows; how well each passage is found among all.

        ``accuracy`` is the share of questions whose first passage answers them, ``mrr`` the mean of
        one over the place of the first that does; all passages of these rows are searched.
        """
        vectors = torch.from_numpy(self._vectors(model, plan))
        total = 0.0
        for part in groups(range(len(self)), self.spec.compared):
            numbers = self._texts(part)
            place = {number: number for number in numbers}
            told = {k: torch.from_numpy(a) for k, a in self._comparison(part, place).items()}
            total += float(self._losses(vectors, told).sum())
        passages = np.unique([*self.positives, *(i for own in self.negatives for i in own)])
        similar = (vectors[self.questions] @ vectors[passages].T).numpy()
        places = [
            first_place(line, [bool(i in own) for i in passages])
            for line, own in zip(similar, self.known, strict=True)
        ]
        return {"loss": total / len(self), **found_at(places)}

    def _texts(self, part: Sequence[int]) -> list[int]:
        """All texts of some rows, each once, in a fixed order."""
        own = ((self.questions[i], self.positives[i], *self.negatives[i]) for i in part)
        return list(dict.fromkeys(int(number) for row in own for number in row))

    def _comparison(self, part: Sequence[int], place: Mapping[int, int]) -> dict[str, NDArray[Any]]:
        """Which vectors are compared, and which passages also answer a question (barred)."""
        passages = [int(self.positives[i]) for i in part]
        passages = list(dict.fromkeys([*passages, *(n for i in part for n in self.negatives[i])]))
        wanted = [passages.index(int(self.positives[i])) for i in part]
        barred = [[p in self.known[i] and p != self.positives[i] for p in passages] for i in part]
        return {
            "asked": np.array([place[int(self.questions[i])] for i in part]),
            "passages": np.array([place[p] for p in passages]),
            "wanted": np.array(wanted),
            "barred": np.array(barred, dtype=bool).reshape(len(part), len(passages)),
        }

    def _losses(self, vectors: Tensor, told: Mapping[str, Tensor]) -> Tensor:
        asked, passages = vectors[told["asked"]], vectors[told["passages"]]
        scores = asked @ passages.T / self.spec.temperature
        scores = scores.masked_fill(told["barred"], -math.inf)
        return functional.cross_entropy(scores, told["wanted"], reduction="none")

    def _vectors(self, model: Model, plan: Plan) -> Vectors:
        return encoded(model, self.texts, plan, self.pooling)


def compared(
    spec: EncoderPairs, pairs: Sequence[Pair], model: Model, tuning: TuneSpec, ledger: Ledger
) -> Compared:
    """Rows of pairs.

    Args:
        spec: Temperature, and how many are compared.
        pairs: Questions and passages.
        model: Its tokenizer is used; its configuration says pooling and length.
        tuning: Its ``max_length`` counts.
        ledger: Gets texts of which only the beginning is read.
    """
    number: dict[str, int] = {}
    origin: dict[str, str] = {}
    for pair in pairs:
        for text in (pair.question, pair.positive, *pair.negatives):
            number.setdefault(text, len(number))
            origin.setdefault(text, pair.origin)
    length, told = longest(model, tuning), model.network.config.luthier_encoder
    ids = tokens_of(list(number), model, length)
    for text, short in zip(number, cut_short(ids, length), strict=True):
        if short:
            ledger.change(f"its first {length} tokens are read", origin[text], text[:80])
    return Compared(
        texts=join(ids, list(origin.values())),
        questions=np.array([number[p.question] for p in pairs], dtype=np.int64),
        positives=np.array([number[p.positive] for p in pairs], dtype=np.int64),
        negatives=tuple(tuple(number[text] for text in p.negatives) for p in pairs),
        known=tuple(frozenset(number[t] for t in p.known if t in number) for p in pairs),
        origins=tuple(pair.origin for pair in pairs),
        spec=spec,
        pooling=told["pooling"],
    )


def longest(model: Model, tuning: TuneSpec) -> int:
    """Most tokens of a text that are read."""
    told = getattr(model.network.config, "luthier_encoder", None) or {}
    own = int(told.get("max_seq_length", 1 << 20))
    return min(tuning.max_length, model.context_length, own)


def groups(rows: Sequence[int], most: int) -> Iterator[list[int]]:
    """Rows cut into equal groups of at most so many: none is left alone at the end."""
    if len(rows):
        for part in np.array_split(np.asarray(rows), -(-len(rows) // most)):
            yield part.tolist()


def vectors_of(model: Model, texts: Sequence[str], tuning: TuneSpec, plan: Plan) -> Vectors:
    """Vectors of length 1 of texts, as the network is now."""
    told = getattr(model.network.config, "luthier_encoder", None) or {}
    rows = join(tokens_of(texts, model, longest(model, tuning)), [""] * len(texts))
    return encoded(model, rows, plan, told.get("pooling", "mean"))


def encoded(model: Model, rows: TextRows, plan: Plan, pooling: str) -> Vectors:
    """Vectors of length 1 of all rows, without gradients; the network's mode stays as it was."""
    network, training = model.network, model.network.training
    network.eval()
    found = np.zeros((len(rows), network.config.hidden_size), dtype=np.float32)
    try:
        with torch.inference_mode():
            for part in batches(rows, range(len(rows)), plan):
                arrays = lay_out(rows, part)
                batch = {k: torch.from_numpy(a).to(plan.device) for k, a in arrays.items()}
                made = functional.normalize(pooled(network, batch, pooling), dim=-1)
                found[part] = made.cpu().numpy()
    finally:
        network.train(training)
    return found


def pooled(network: Any, batch: Mapping[str, Tensor], pooling: str) -> Tensor:
    """One state for each row, float32 [rows, width]."""
    plain, body = _parts(network)
    length, row, grid = batch["lengths"], batch["rows"], batch["grid"]
    if bert.fits(body):
        hidden = bert.states(body, batch["ids"], batch["positions"], grid, batch["places"])
        if pooling == "cls":
            first: Tensor = hidden[grid[:, 0]].float()
            return first
        total = hidden.new_zeros(len(length), hidden.shape[1], dtype=torch.float32)
        total = total.index_add(0, row, hidden[: len(row)].float())
        return total / length[:, None]
    mask = (torch.arange(grid.shape[1], device=grid.device) < length[:, None]).long()
    inputs = {"input_ids": batch["ids"][grid], "attention_mask": mask}
    called = network if plain is body else body
    hidden = called(**inputs).last_hidden_state.float()
    if pooling == "cls":
        start: Tensor = hidden[:, 0]
        return start
    mean: Tensor = (hidden * mask[..., None]).sum(1) / length[:, None]
    return mean


def _parts(network: Any) -> tuple[Any, Any]:
    """A network without adapters' wrapping, and the body below any head."""
    plain = network.get_base_model() if hasattr(network, "peft_config") else network
    return plain, getattr(plain, plain.base_model_prefix, plain)


def operations(network: Any) -> str:
    """What computes states and gradients: ``fused kernels``, or PyTorch and why."""
    _, body = _parts(network)
    if not bert.fits(body):
        return f"PyTorch: no kernels for {type(body).__name__}"
    try:
        stack_of(body)
    except UnknownNetworkError as error:
        return f"PyTorch: {error}"
    return "fused kernels"


def first_place(scores: NDArray[np.float32], right: Sequence[bool]) -> int:
    """The place, from 1, of the best of the right ones; what ties with it stands before it."""
    marks = np.asarray(right, dtype=bool)
    return 1 + int((scores[~marks] >= scores[marks].max()).sum())


def found_at(places: Sequence[int]) -> dict[str, float]:
    """Share of right ones in the first place, and the mean of one over the place."""
    found = np.asarray(places, dtype=np.float64)
    return {"accuracy": float((found == 1).mean()), "mrr": float((1.0 / found).mean())}
