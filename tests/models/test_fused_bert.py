"""States and gradients of the fused kernels are those of transformers' own BERT in float32."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertModel

from luthier.models import _fused_bert as bert
from luthier.models._fused_bert_network import embedded, stack_of
from luthier.models._fused_library import library
from luthier.models._fused_network import squares_of

LENGTHS = [5, 1, 33, 64, 16, 17, 100]
STARTS = torch.tensor([0, *LENGTHS]).cumsum(0)
ROWS = sum(LENGTHS)
TOKENS = -(-(ROWS + 1) // 32) * 32

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def pair(**config: Any) -> tuple[Any, Any]:
    """A body in float32, and the same in bfloat16."""
    shape = {
        "vocab_size": 40,
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.1,
        **config,
    }
    torch.manual_seed(0)
    exact = BertModel(BertConfig(**shape)).train()
    with torch.no_grad():
        for parameter in exact.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
            parameter.copy_(parameter.bfloat16())
    return exact, copy.deepcopy(exact).bfloat16()


def given(width: int) -> tuple[Tensor, Tensor]:
    """What goes in, and the gradient of what comes out; nothing is learned behind the rows."""
    torch.manual_seed(1)
    x, slope = torch.randn(2, TOKENS, width).bfloat16()
    slope[ROWS:] = 0.0
    return x, slope


def apart(found: Tensor, wanted: Tensor) -> float:
    return float((found.float() - wanted).norm() / wanted.norm())


def compare(exact: Any, rounded: Any, wanted: Tensor, x: Tensor, *, seed: int = 0) -> None:
    """States and all gradients, within what rounding to bfloat16 explains."""
    own, slope = given(x.shape[1])
    own.requires_grad_()
    torch.manual_seed(seed)
    found = bert.states(stack_of(rounded), own, STARTS, training=True)
    assert apart(found[:ROWS].detach(), wanted.detach()) < 0.01
    wanted.backward(slope[:ROWS].float())  # type: ignore[no-untyped-call]
    found.backward(slope)  # type: ignore[no-untyped-call]
    assert own.grad is not None
    assert x.grad is not None
    assert apart(own.grad[:ROWS], x.grad[:ROWS]) < 0.02
    grads = {name: p.grad for name, p in rounded.encoder.named_parameters()}
    for name, parameter in exact.encoder.named_parameters():
        assert parameter.grad is not None
        if "key.bias" in name:  # it cancels: every score of a query is shifted alike
            assert float(grads[name].norm()) < 0.01 * float(slope.float().norm())
        else:
            assert apart(grads[name], parameter.grad) < 0.03, name


@pytest.mark.parametrize(("width", "heads"), [(96, 3), (128, 2), (160, 5)])
def test_states_and_gradients_are_those_of_transformers(width: int, heads: int) -> None:
    exact, rounded = pair(hidden_size=width, num_attention_heads=heads)
    x = given(width)[0].float().requires_grad_()
    rows = [exact.encoder(row[None])[0][0] for row in torch.split(x[:ROWS], LENGTHS)]
    compare(exact, rounded, torch.cat(rows), x)


def test_dropout_is_what_the_generator_says_forward_and_backward() -> None:
    exact, rounded = pair(hidden_dropout_prob=0.25, attention_probs_dropout_prob=0.125)
    x = given(96)[0].float().requires_grad_()
    torch.manual_seed(7)
    hidden, attention = torch.empty(2, dtype=torch.int64).random_().tolist()
    wanted = x[:ROWS]
    for number, layer in enumerate(exact.encoder.layer):
        wanted = block(layer, wanted, hidden, attention, 5 * number)
    compare(exact, rounded, wanted, x, seed=7)


def block(layer: Any, x: Tensor, hidden: int, attention: int, site: int) -> Tensor:
    """A block with the dropout that random.h draws; ``site`` counts two and three heads a block."""
    own, out, last = layer.attention.self, layer.attention.output, layer.output
    mixed = []
    for begin, row in zip(STARTS[:-1].tolist(), torch.split(x, LENGTHS), strict=True):
        n, parts = len(row), (own.query(row), own.key(row), own.value(row))
        words = -(-n // 32)
        heads = []
        for head, (q, k, v) in enumerate(zip(*(p.split(32, 1) for p in parts), strict=True)):
            numbers = range(0, n * words, 4)
            bits = [kept(attention, i, begin, site + 3 + head, 0.125) for i in numbers]
            mask = torch.from_numpy(np.concatenate(bits)[: n * words * 32]).view(n, -1)[:, :n]
            mask = mask.T if n <= 16 else mask  # bits of a key for all queries, or of a query
            heads.append(functional.softmax(q @ k.T / 32**0.5, -1) * mask / 0.875 @ v)
        mixed.append(torch.cat(heads, 1))

    def drop(values: Tensor, which: int) -> Tensor:
        bits = [kept(hidden, 0, t, site + 1 + which, 0.25)[:96] for t in range(len(values))]
        return values * torch.from_numpy(np.stack(bits)) / 0.75

    between = out.LayerNorm(x + drop(out.dense(torch.cat(mixed)), 0))
    inner = functional.gelu(layer.intermediate.dense(between))
    result: Tensor = last.LayerNorm(between + drop(last.dense(inner), 1))
    return result


def kept(key: int, number: int, token: int, site: int, rate: float) -> Any:
    """Philox-4x32 of seven rounds: whether each of 128 values is kept, as 0 or 1."""
    c = [
        np.arange(16, dtype=np.uint64),
        *(np.full(16, i, np.uint64) for i in (number, token, site)),
    ]
    low = np.uint64(2**32 - 1)
    k0, k1 = key % 2**32, key >> 32
    for _ in range(7):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        upper = (second >> np.uint64(32)) ^ c[1] ^ np.uint64(k0)
        above = (first >> np.uint64(32)) ^ c[3] ^ np.uint64(k1)
        c = [upper, second & low, above, first & low]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    halves = np.stack([np.stack([part & np.uint64(65535), part >> np.uint64(16)], 1) for part in c])
    return (halves.reshape(-1) >= round(rate * 65536)).astype(np.float32)


def test_without_gradients_the_states_are_the_same_and_dropout_rests() -> None:
    _, rounded = pair(hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5)
    stack, x = stack_of(rounded), given(96)[0]
    with torch.inference_mode():
        alone = bert.states(stack, x, STARTS, training=False)
    assert torch.equal(bert.states(stack, x, STARTS, training=False)[:ROWS], alone[:ROWS])
    assert not torch.equal(bert.states(stack, x, STARTS, training=True)[:ROWS], alone[:ROWS])


def test_the_same_seed_gives_the_same_bits() -> None:
    _, rounded = pair(hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5)
    stack, found = stack_of(rounded), []
    for seed in (3, 3, 4):
        x, slope = given(96)
        x.requires_grad_()
        torch.manual_seed(seed)
        bert.states(stack, x, STARTS, training=True).backward(slope)  # type: ignore[no-untyped-call]
        assert x.grad is not None
        found.append(x.grad[:ROWS])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_only_what_learns_gets_gradients_and_sums_go_where_they_are_wanted() -> None:
    _, rounded = pair()
    rounded.requires_grad_(False)
    last, slope = rounded.encoder.layer[1].intermediate.dense, given(96)[1]
    last.weight.requires_grad_()
    last.bias.requires_grad_().main_grad = torch.ones(160)
    for _ in range(2):
        bert.states(stack_of(rounded), given(96)[0], STARTS, training=True).backward(slope)  # type: ignore[no-untyped-call]
    found = {n for n, p in rounded.named_parameters() if p.grad is not None}
    assert found == {"encoder.layer.1.intermediate.dense.weight"}
    whole = last.bias.main_grad.clone()
    last.bias.main_grad = torch.zeros(160)
    bert.states(stack_of(rounded), given(96)[0], STARTS, training=True).backward(slope)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(whole, 1 + 2 * last.bias.main_grad)


def test_what_is_noted_of_gradients_is_their_squares_until_they_change() -> None:
    _, rounded = pair()
    for parameter in rounded.parameters():
        parameter.main_grad = None
    weight = rounded.encoder.layer[0].attention.self.value.weight
    for _ in range(2):
        found = bert.states(stack_of(rounded), given(96)[0], STARTS, training=True)
        found.backward(given(96)[1])  # type: ignore[no-untyped-call]
        wanted = float(weight.main_grad.double().square().sum())
        assert squares_of(weight.main_grad) == pytest.approx(wanted, rel=1e-5)
    weight.main_grad.mul_(2.0)
    assert squares_of(weight.main_grad) is None


def test_embeddings_are_those_of_transformers_with_the_dropout_that_is_drawn() -> None:
    exact, rounded = pair(hidden_dropout_prob=0.25)
    exact.eval()
    torch.manual_seed(2)
    ids = torch.randint(1, 40, (TOKENS,))
    positions = torch.cat([torch.arange(n) for n in (*LENGTHS, TOKENS - ROWS)])
    torch.manual_seed(7)
    key = int(torch.empty(2, dtype=torch.int64).random_()[0])
    bits = np.stack([kept(key, 0, t, 0, 0.25)[:96] for t in range(ROWS)])
    wanted = exact.embeddings(input_ids=ids[None, :ROWS], position_ids=positions[None, :ROWS])[0]
    wanted = wanted * torch.from_numpy(bits) / 0.75
    torch.manual_seed(7)
    stack = dataclasses.replace(stack_of(rounded), blocks=[])
    words = rounded.embeddings.word_embeddings.weight
    below = embedded(rounded.embeddings, words, ids, positions)
    found = bert.states(stack, below, STARTS, training=True)
    assert apart(found[:ROWS].detach(), wanted.detach()) < 0.01
    slope = given(96)[1]
    wanted.backward(slope[:ROWS].float())
    found.backward(slope)  # type: ignore[no-untyped-call]
    grads = {name: p.grad for name, p in rounded.embeddings.named_parameters()}
    for name, parameter in exact.embeddings.named_parameters():
        assert apart(grads[name], parameter.grad) < 0.02, name
    with torch.inference_mode():
        plain = bert.states(stack, below, STARTS, training=False)[:ROWS]
    rows = exact.embeddings(input_ids=ids[None, :ROWS], position_ids=positions[None, :ROWS])[0]
    assert apart(plain, rows.detach()) < 0.01
