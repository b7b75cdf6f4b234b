"""The loss of a question's passages is the one it says, whole rows at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from luthier.core.ledger import Ledger
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._objective import tensors
from luthier.tune._pairs import Pair
from luthier.tune._reranked import Reranked, reranked
from luthier.tune._supervised import predict
from luthier.tune.retrieval import Reranker, open_network
from luthier.tune.tune import TuneSpec

PLAN = Plan("cpu", "float32", 1, 24, 0, 0, 1 << 30, "here")


def pair(question: str, positive: str, *negatives: str) -> Pair:
    return Pair(question, positive, negatives, frozenset({positive}), "o:1")


PAIRS = [pair("text", "fill the", "wrap", "join a"), pair("lines", "of width", "path")]


@pytest.fixture
def model(tiny_encoder: Path) -> Model:
    return open_network(Reranker(), tiny_encoder, device="cpu", precision="float32")


def rows(model: Model, kind: str) -> Reranked:
    spec = Reranker.model_validate({"loss_type": kind})
    return reranked(spec, PAIRS, model, TuneSpec(objective=spec), Ledger())


@pytest.mark.parametrize("kind", ["listwise", "binary"])
def test_the_loss_is_the_same_in_any_micro_batch(model: Model, kind: str) -> None:
    found = rows(model, kind)
    scores = torch.from_numpy(predict(model, found.texts, PLAN, "auto")[:, 0])
    parts = [scores[:3], scores[3:]]
    if kind == "listwise":
        wanted = [functional.cross_entropy(p[None], torch.tensor([0])) for p in parts]
    else:
        right = [torch.tensor([1.0] + [0.0] * (len(p) - 1)) for p in parts]
        wanted = [
            functional.binary_cross_entropy_with_logits(p, r)
            for p, r in zip(parts, right, strict=True)
        ]
    batches = list(found.micro_batches(range(2), PLAN))
    assert [b.weight for b in batches] == [1, 1]
    model.network.eval()
    losses = [float(found.loss(model, tensors(b.arrays, "cpu")).detach()) for b in batches]
    np.testing.assert_allclose(losses, [float(w) for w in wanted], rtol=1e-4)
    assert found.measure(model, PLAN)["loss"] == pytest.approx(sum(losses) / 2, rel=1e-4)


def test_a_row_is_its_passages_and_one_without_any_other_is_refused(model: Model) -> None:
    ledger = Ledger()
    spec = Reranker()
    tuning = TuneSpec(objective=spec)
    found = reranked(spec, [*PAIRS, pair("a", "b")], model, tuning, ledger)
    assert (len(found), found.starts.tolist()) == (2, [0, 3, 5])
    assert found.lengths.sum() == found.texts.lengths.sum()
    assert ledger.reasons() == {"no passage to compare with": 1}
    assert found.texts.ids[: found.texts.lengths[0]].tolist().count(3) == 2  # two [SEP]
