"""BERT without padding computes what transformers computes, forwards and backwards."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification

from luthier.models._fused_library import library
from luthier.setup.optimizers import AdamW, build
from luthier.tune import _supervised_bert as bert
from luthier.tune._supervised import join, lay_out
from luthier.tune._supervised_network import operations, scores
from luthier.tune._supervised_vocabulary import narrow, widen
from luthier.tune._update import Update
from luthier.tune._weights import Weights

ROWS = [[5, 6, 7, 8, 9], [4], [11, 12, 13, 14, 15, 16, 17, 18, 19], [7, 5]]


def network(rate: float = 0.0, **other: Any) -> Any:
    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "initializer_range": 0.3,
        **other,
    }
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=40,
            num_hidden_layers=2,
            max_position_embeddings=32,
            num_labels=3,
            hidden_dropout_prob=rate,
            attention_probs_dropout_prob=rate,
            **shape,
        )
    ).train()


def batch() -> dict[str, torch.Tensor]:
    arrays = lay_out(join(ROWS, ["a", "b", "c", "d"]), np.arange(4))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def test_scores_and_gradients_are_those_of_transformers() -> None:
    ours, theirs = network(), network()
    targets = torch.tensor([0, 1, 2, 1])
    found = scores(ours, batch(), "auto")
    width = max(map(len, ROWS))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in ROWS])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ROWS])
    wanted = theirs(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    functional.cross_entropy(found, targets).backward()  # type: ignore[no-untyped-call]
    functional.cross_entropy(wanted, targets).backward()  # type: ignore[no-untyped-call]
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_a_row_is_scored_the_same_alone() -> None:
    model = network().eval()
    together = scores(model, batch(), "auto")
    alone = lay_out(join(ROWS[2:3], ["c"]), np.arange(1))
    one = scores(model, {k: torch.from_numpy(v) for k, v in alone.items()}, "auto")
    torch.testing.assert_close(together[2:3], one, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(400, 500, dtype=dtype, requires_grad=True)
    y = bert.dropout(x, 0.1, True)
    assert float((y.detach() == 0).float().mean()) == pytest.approx(0.1, abs=0.003)
    assert float(y.detach().float().mean()) == pytest.approx(1.0, abs=0.01)
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())
    assert bert.dropout(x, 0.1, False) is x


def test_dropout_is_the_same_with_the_same_seed() -> None:
    model, found = network(0.3), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(scores(model, batch(), "auto"))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_gradients_under_dropout_are_those_of_small_differences() -> None:
    """The same seed gives the same masks, so that a difference can be taken."""
    torch.manual_seed(1)
    parts = [torch.randn(64, 8, dtype=torch.float32, requires_grad=True) for _ in range(3)]
    laid = batch()
    outside = torch.where(laid["grid"] == 63, -torch.inf, 0.0)[:, None, None, :]

    def total(*given: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        out = bert._Attention.apply(*given, 2, 0.2, laid["grid"], laid["places"], outside)
        learned = out[: len(laid["places"])]  # what lies behind the rows is never learned
        return (learned * torch.linspace(-1, 1, learned.numel()).view_as(learned)).sum()

    total(*parts).backward()  # type: ignore[no-untyped-call]
    for number, part in enumerate(parts):
        step = torch.zeros_like(part)
        step[3, 2] = 1e-2
        near = [p.detach() for p in parts]
        above = total(*[p + step if i == number else p for i, p in enumerate(near)])
        below = total(*[p - step if i == number else p for i, p in enumerate(near)])
        assert part.grad is not None
        assert float(part.grad[3, 2]) == pytest.approx(float(above - below) / 2e-2, abs=2e-3)


def test_other_networks_and_hooked_ones_take_the_general_way() -> None:
    body = network().bert
    assert bert.fits(body)
    body.encoder.layer[0].attention.register_forward_hook(lambda *_: None)
    assert not bert.fits(body)


KERNELS = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def known(rate: float = 0.0) -> Any:
    """A network that the fused kernels know."""
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 2}
    return network(rate, **sizes, initializer_range=0.1)


@KERNELS
def test_kernels_score_and_learn_as_transformers_does() -> None:
    ours, theirs = known().bfloat16(), known()
    narrow(ours, np.array([i for row in ROWS for i in row], np.int32))
    assert operations(ours) == "fused kernels"
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parameter.bfloat16())
    targets = torch.tensor([0, 1, 2, 1])
    found = scores(ours, batch(), "auto")
    wanted = torch.cat([theirs(input_ids=torch.tensor([row])).logits for row in ROWS])
    torch.testing.assert_close(found, wanted, atol=0.02, rtol=0.02)
    functional.cross_entropy(found, targets).backward()  # type: ignore[no-untyped-call]
    functional.cross_entropy(wanted, targets).backward()  # type: ignore[no-untyped-call]
    widen(ours)
    grads = {n: p.grad for n, p in ours.named_parameters()}
    for name, parameter in theirs.named_parameters():
        if "word_embeddings" not in name and "key.bias" not in name:  # only some rows; nothing
            gap = grads[name].float() - parameter.grad
            assert float(gap.norm()) < 0.05 * float(parameter.grad.norm()) + 1e-5, name
    with torch.inference_mode():
        alone, other = scores(ours.eval(), batch(), "mean"), known().eval()
        assert torch.isfinite(alone).all()
        wanted = torch.cat([other(input_ids=torch.tensor([row])).logits for row in ROWS])
        torch.testing.assert_close(scores(ours, batch(), "auto"), wanted, atol=0.03, rtol=0.03)


@KERNELS
def test_a_run_stopped_halfway_goes_on_bit_for_bit_under_dropout() -> None:
    def steps(first: int, last: int, network: Any, optimizer: Any, weights: Weights) -> None:
        for step in range(first, last):
            torch.manual_seed(step)
            loss = functional.cross_entropy(
                scores(network, batch(), "auto"), torch.tensor([0, 1, 2, 1])
            )
            loss.backward()  # type: ignore[no-untyped-call]
            weights.gather()
            update = Update(weights, optimizer)
            assert update.fused is not None
            update.clip(1.0)
            update.apply(1e-2)

    ends = []
    for stop in (6, 3):
        network = known(0.2).bfloat16()
        weights = Weights(network)
        optimizer = build(AdamW(), weights.named, lr=1e-2, weight_decay=0.1)
        steps(0, stop, network, optimizer, weights)
        kept, state = weights.snapshot(), copy.deepcopy(optimizer.state_dict())
        network = known(0.2).bfloat16()
        weights = Weights(network)
        optimizer = build(AdamW(), weights.named, lr=1e-2, weight_decay=0.1)
        optimizer.load_state_dict(state)
        weights.restore(kept)
        steps(stop, 6, network, optimizer, weights)
        ends.append(weights.snapshot())
    assert all(torch.equal(one, two) for one, two in zip(*ends, strict=True))
    start = Weights(known(0.2).bfloat16()).snapshot()
    assert not any(torch.equal(one, two) for one, two in zip(start, ends[0], strict=True))
