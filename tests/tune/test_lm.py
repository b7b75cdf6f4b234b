"""The next-token objective: what it sums is what the network says of each row alone."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from tiny_models import examples, plan, tiny

from luthier.core.ledger import Ledger
from luthier.core.records import Example, Message
from luthier.models.load import Model
from luthier.tune._lm import NextToken
from luthier.tune._objective import tensors
from luthier.tune._rows import from_examples


def objective(model: Model, count: int = 12) -> NextToken:
    rows = from_examples(
        examples(count), model.renderer, max_length=64, learn_all=False, ledger=Ledger()
    )
    return NextToken(rows, 64, int(model.tokenizer.pad_token_id))


def alone(model: Model, some: NextToken, row: int) -> float:
    """Loss of a row by transformers' own forward pass."""
    begin, end = some.rows.starts[row : row + 2]
    ids = torch.from_numpy(some.rows.ids[begin:end]).long()
    keep = torch.from_numpy(some.rows.mask[begin:end])[1:]
    with torch.inference_mode():
        logits = model.network(ids[None]).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
    return float(losses[keep].sum())


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("micro", [64, 256])
def test_a_loss_is_the_sum_over_its_rows(kind: str, micro: int) -> None:
    model = tiny(kind)
    model.network.eval()
    some = objective(model)
    chosen = [7, 2, 3, 11, 0]
    parts = list(some.micro_batches(chosen, plan(micro=micro)))
    total = sum(float(some.loss(model, tensors(p.arrays, "cpu")).detach()) for p in parts)
    assert total == pytest.approx(sum(alone(model, some, row) for row in chosen), rel=1e-4)
    lengths = some.rows.lengths
    assert sum(p.tokens for p in parts) == sum(lengths[row] for row in chosen)
    learned = [some.rows.mask[some.rows.starts[r] : some.rows.starts[r + 1]] for r in chosen]
    assert sum(p.weight for p in parts) == sum(int(m.sum()) for m in learned)


def test_figures_of_all_rows() -> None:
    model = tiny()
    some = objective(model)
    found = some.measure(model, plan())
    nats = sum(alone(model, some, row) for row in range(len(some)))
    assert found["loss"] == pytest.approx(nats / some.size, rel=1e-4)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    answers = sum(len(e.answer.encode()) for e in examples(12))
    assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / answers, rel=1e-4)


def test_measuring_leaves_the_mode_of_the_network() -> None:
    model = tiny()
    for training in (True, False):
        model.network.train(training)
        objective(model, 3).measure(model, plan())
        assert model.network.training is training


def weighted() -> list[Example]:
    """Conversations of two answers, the first of which weighs 0, 0.25 or 1."""
    rows = []
    for number, row in enumerate(examples(6)):
        first = dataclasses.replace(row.messages[1], weight=(0.0, 0.25, 1.0)[number % 3])
        again = (Message("user", "And?"), Message("assistant", f"More {number}."))
        rows.append(dataclasses.replace(row, messages=(row.messages[0], first, *again)))
    return rows


def test_losses_are_multiplied_by_the_weights_of_their_turns() -> None:
    model = tiny()
    model.network.eval()
    told = weighted()
    ledger = Ledger()
    rows = from_examples(told, model.renderer, max_length=64, learn_all=False, ledger=ledger)
    some = NextToken(rows, 64, int(model.tokenizer.pad_token_id))
    (part,) = some.micro_batches(range(6), plan(micro=512))
    nats = weight = 0.0
    for row in told:
        for place in (1, 3):
            message = row.messages[place]
            own = [dataclasses.replace(m, weight=0.0) for m in row.messages[:place]]
            one = model.renderer.render([*own, dataclasses.replace(message, weight=1.0)])
            rendered = torch.tensor(one.ids)
            with torch.inference_mode():
                logits = model.network(rendered[None]).logits[0, :-1].float()
            losses = torch.nn.functional.cross_entropy(logits, rendered[1:], reduction="none")
            nats += message.weight * float(losses[torch.tensor(one.mask[1:])].sum())
            weight += message.weight * sum(one.mask)
    assert float(some.loss(model, tensors(part.arrays, "cpu")).detach()) == pytest.approx(
        nats, rel=1e-4
    )
    assert part.weight == pytest.approx(weight)
    assert some.measure(model, plan())["loss"] == pytest.approx(nats / weight, rel=1e-4)


@pytest.mark.parametrize("told", [examples(6), weighted()])
def test_smoothing_changes_what_is_learned_but_no_figure(told: list[Example]) -> None:
    model = tiny()
    model.network.eval()
    rows = from_examples(told, model.renderer, max_length=64, learn_all=False, ledger=Ledger())
    plain = NextToken(rows, 64, int(model.tokenizer.pad_token_id))
    smoothed = dataclasses.replace(plain, smoothing=0.25)
    (part,) = plain.micro_batches(range(6), plan(micro=512))
    nats = 0.0
    for begin, end in itertools.pairwise(rows.starts):
        ids = torch.from_numpy(rows.ids[begin:end]).long()
        with torch.inference_mode():
            logits = model.network(ids[None]).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(
            logits, ids[1:], reduction="none", label_smoothing=0.25
        )
        counts = torch.from_numpy(rows.mask[begin:end])[1:].float()
        if rows.weights is not None:
            counts *= torch.from_numpy(rows.weights[begin:end])[1:]
        nats += float((losses * counts).sum())
    found = float(smoothed.loss(model, tensors(part.arrays, "cpu")).detach())
    assert found == pytest.approx(nats, rel=1e-4)
    assert found != pytest.approx(
        float(plain.loss(model, tensors(part.arrays, "cpu")).detach()), rel=0.01
    )
    assert smoothed.measure(model, plan()) == plain.measure(model, plan())


def test_rows_without_weights_take_the_fused_path() -> None:
    (part,) = objective(tiny()).micro_batches([0, 1], plan(micro=512))
    assert "weights" not in part.arrays
