"""The loss of questions and passages is what it says, and no answer counts as wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from luthier.core.ledger import Ledger
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._compared import (
    Compared,
    compared,
    encoded,
    first_place,
    found_at,
    groups,
    operations,
)
from luthier.tune._objective import tensors
from luthier.tune._pairs import Pair
from luthier.tune.retrieval import EncoderPairs, open_network
from luthier.tune.tune import TuneSpec

PLAN = Plan("cpu", "float32", 1, 256, 0, 0, 1 << 30, "here")
TEXTS = ["text fill", "wrap the path", "join a list", "of width the", "lines"]


def pair(question: str, positive: str, *negatives: str, known: tuple[str, ...] = ()) -> Pair:
    return Pair(question, positive, negatives, frozenset({positive, *known}), "o:1")


@pytest.fixture
def model(tiny_encoder: Path) -> Model:
    return open_network(EncoderPairs(), tiny_encoder, device="cpu", precision="float32")


def rows(model: Model, pairs: list[Pair], **spec: float) -> Compared:
    objective = EncoderPairs.model_validate(spec)
    return compared(objective, pairs, model, TuneSpec(objective=objective), Ledger())


def test_the_loss_is_that_of_sentence_transformers(model: Model) -> None:
    """MultipleNegativesRankingLoss: cross-entropy of scaled cosines, candidates of all rows."""
    found = rows(
        model,
        [pair(TEXTS[0], TEXTS[1], TEXTS[4]), pair(TEXTS[2], TEXTS[3], TEXTS[0])],
        temperature=0.05,
    )
    (part,) = found.micro_batches(range(2), PLAN)
    loss = float(found.loss(model, tensors(part.arrays, "cpu")).detach())
    vectors = torch.from_numpy(encoded(model, found.texts, PLAN, "mean"))
    place = {text: i for i, text in enumerate([TEXTS[0], TEXTS[1], TEXTS[4], TEXTS[2], TEXTS[3]])}
    asked = vectors[[place[TEXTS[0]], place[TEXTS[2]]]]
    passages = vectors[[place[t] for t in (TEXTS[1], TEXTS[3], TEXTS[4], TEXTS[0])]]
    scores = asked @ passages.T * 20.0
    wanted = torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1]), reduction="sum")
    assert loss == pytest.approx(float(wanted), rel=1e-4)
    assert part.weight == 2
    assert found.measure(model, PLAN)["loss"] == pytest.approx(loss / 2, rel=1e-4)


def test_another_answer_to_the_same_question_is_no_negative(model: Model) -> None:
    apart = rows(model, [pair(TEXTS[0], TEXTS[1]), pair(TEXTS[0], TEXTS[2])])
    both = (TEXTS[1], TEXTS[2])
    together = rows(
        model, [pair(TEXTS[0], TEXTS[1], known=both), pair(TEXTS[0], TEXTS[2], known=both)]
    )
    (one,), (two,) = (list(r.micro_batches(range(2), PLAN)) for r in (apart, together))
    assert float(apart.loss(model, tensors(one.arrays, "cpu"))) > 0.1
    assert float(together.loss(model, tensors(two.arrays, "cpu"))) == pytest.approx(0.0, abs=1e-6)


def test_rows_are_compared_in_even_groups_whatever_memory_holds(model: Model) -> None:
    found = rows(model, [pair(t, TEXTS[i - 1]) for i, t in enumerate(TEXTS)], compared=2)
    small = dataclasses.replace(PLAN, micro_batch_tokens=1)
    parts = list(found.micro_batches(range(5), small))
    assert [p.weight for p in parts] == [2, 2, 0]  # one row alone has nothing to be told from
    assert [list(g) for g in groups(range(5), 4)] == [[0, 1, 2], [3, 4]]
    assert found.lengths.tolist() == [
        sum(found.texts.lengths[[q, p]])
        for q, p in zip(found.questions, found.positives, strict=True)
    ]


def test_long_texts_are_read_at_their_beginning_and_the_ledger_says_so(model: Model) -> None:
    ledger = Ledger()
    tuning = TuneSpec(objective=EncoderPairs(), max_length=16)
    found = compared(EncoderPairs(), [pair("text", "fill " * 40)], model, tuning, ledger)
    assert found.texts.lengths.tolist() == [3, 16]
    assert ledger.reasons("changed") == {"its first 16 tokens are read": 1}


def test_places_and_what_is_told_of_them() -> None:
    scores = np.array([0.5, 0.9, 0.5], dtype=np.float32)
    assert first_place(scores, [False, True, False]) == 1
    assert first_place(scores, [True, False, False]) == 3  # a tie is no find
    assert found_at([1, 2]) == {"accuracy": 0.5, "mrr": 0.75}


def test_what_computes_is_told(model: Model) -> None:
    assert operations(model.network).startswith("PyTorch: ")
