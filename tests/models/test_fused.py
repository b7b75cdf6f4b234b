"""Losses and gradients of the fused kernels are those of transformers' own network in float32."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch.nn import functional

from luthier.models import _fused
from luthier.models._fused_library import library
from luthier.models._fused_network import stack_of
from luthier.models.likelihood import operations

LENGTHS = (5, 40, 33, 100, 64, 1, 17)
VOCABULARY = 992
WIDTH = 140  # of a packed sequence

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def pair(**config: Any) -> tuple[Any, Any]:
    """A network in float32, and the same in bfloat16."""
    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 128,
        **config,
    }
    torch.manual_seed(0)
    exact = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape))
    with torch.no_grad():
        for name, parameter in exact.named_parameters():
            if "norm" in name:
                parameter += 0.1 * torch.randn_like(parameter)
            parameter *= 1.0 if "norm" in name else 3.0
            parameter.copy_(parameter.bfloat16())
    return exact, copy.deepcopy(exact).bfloat16()


def with_lora(network: Any) -> Any:
    torch.manual_seed(1)
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(network, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.05 * torch.randn_like(parameter))
            if "lora" in name:
                parameter.copy_(parameter.bfloat16())
    return adapted


def rows() -> list[torch.Tensor]:
    torch.manual_seed(2)
    return [torch.randint(0, VOCABULARY, (n,)) for n in LENGTHS]


def packed(rows: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Three sequences with padding behind, and two rows of five with nothing to learn at first."""
    ids = torch.zeros(3, WIDTH, dtype=torch.int64)
    positions, segments = torch.zeros_like(ids), torch.full_like(ids, -1)
    targets, room = torch.full_like(ids, -100), [0, 0, 0]
    for number, row in enumerate(rows):
        line = next(i for i in range(3) if room[i] + len(row) <= WIDTH)
        at = slice(room[line], room[line] + len(row))
        ids[line, at], positions[line, at] = row, torch.arange(len(row))
        segments[line, at] = number
        targets[line, at.start : at.stop - 1] = row[1:]
        room[line] = at.stop
    return ids, positions, segments, targets


def wanted_loss(network: Any) -> torch.Tensor:
    total = torch.zeros(())
    for row in rows():
        if len(row) > 1:
            logits = network(input_ids=row[None]).logits[0, :-1]
            total = total + functional.cross_entropy(logits, row[1:], reduction="sum")
    return total


def compare(exact: Any, rounded: Any) -> None:
    """Losses and all gradients, within what rounding to bfloat16 explains."""
    loss = wanted_loss(exact)
    loss.backward()
    found = _fused.losses(rounded, *packed(rows()))
    assert found is not None
    assert len(found) == sum(LENGTHS) - len(LENGTHS)
    torch.testing.assert_close(found.sum(), loss, rtol=1e-3, atol=0)
    found.sum().backward()
    own = dict(rounded.named_parameters())
    compared = 0
    for name, parameter in exact.named_parameters():
        if not parameter.requires_grad:
            assert own[name].grad is None, name
            continue
        apart = own[name].grad.float() - parameter.grad
        assert float(apart.norm() / parameter.grad.norm()) < 0.03, name
        compared += 1
    assert compared


@pytest.mark.parametrize("tied", [True, False])
def test_full_tuning(tied: bool) -> None:
    compare(*pair(tie_word_embeddings=tied))


@pytest.mark.parametrize("heads", [(6, 6, 32), (2, 1, 64), (4, 2, 32)])
def test_heads_of_other_number_and_size(heads: tuple[int, int, int]) -> None:
    many, groups, size = heads
    compare(*pair(num_attention_heads=many, num_key_value_heads=groups, head_dim=size))


def test_lora() -> None:
    compare(*(with_lora(network) for network in pair()))


def test_only_some_weights_are_tuned() -> None:
    networks = pair(tie_word_embeddings=False)
    for network in networks:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_("layers.1.mlp" in name or "layers.1.self_attn.k" in name)
    compare(*networks)


def test_each_loss_has_its_own_factor() -> None:
    exact, rounded = pair()
    batch = packed(rows())
    found = _fused.losses(rounded, *batch)
    assert found is not None
    factors = torch.linspace(-1, 1, len(found))
    (found * factors).sum().backward()
    # rows are laid out in order of their line, so the plain losses are taken line by line
    parts, order = rows(), batch[2][batch[3] >= 0]
    each = {}
    for number in order.unique().tolist():
        logits = exact(input_ids=parts[number][None]).logits[0, :-1]
        each[number] = functional.cross_entropy(logits, parts[number][1:], reduction="none")
    plain = torch.cat([each[n] for n in order.unique_consecutive().tolist()])
    torch.testing.assert_close(found, plain, rtol=0.02, atol=0.05)
    (plain * factors).sum().backward()
    wanted, got = exact.model.embed_tokens.weight.grad, rounded.model.embed_tokens.weight.grad
    assert float((got.float() - wanted).norm() / wanted.norm()) < 0.03


def test_smoothed_losses_with_factors_of_their_own() -> None:
    exact, rounded = pair()
    batch = packed(rows()[:2])
    found = _fused.losses(rounded, *batch, 0.3)
    assert found is not None
    logits = [exact(input_ids=row[None]).logits[0, :-1] for row in rows()[:2]]
    targets = torch.cat([row[1:] for row in rows()[:2]])
    plain = functional.cross_entropy(
        torch.cat(logits), targets, reduction="none", label_smoothing=0.3
    )
    torch.testing.assert_close(found, plain, rtol=0.02, atol=0.05)
    factors = torch.linspace(0, 1, len(found))
    (found * factors).sum().backward()
    (plain * factors).sum().backward()
    own = dict(rounded.named_parameters())
    for name, parameter in exact.named_parameters():
        apart = own[name].grad.float() - parameter.grad
        assert float(apart.norm() / parameter.grad.norm()) < 0.03, name


def test_gradients_are_summed_in_float32_where_asked() -> None:
    _, rounded = pair()
    once, batch = copy.deepcopy(rounded), packed(rows())
    first = _fused.losses(once, *batch)
    assert first is not None
    first.sum().backward()
    for parameter in rounded.parameters():
        parameter.main_grad = None
    for _ in range(3):
        found = _fused.losses(rounded, *batch)
        assert found is not None
        found.sum().backward()
    for parameter, single in zip(rounded.parameters(), once.parameters(), strict=True):
        assert parameter.grad is None
        assert parameter.main_grad.dtype == torch.float32
        torch.testing.assert_close(
            parameter.main_grad, 3 * single.grad.float(), rtol=0.02, atol=1e-2
        )


def test_the_same_again_bit_by_bit() -> None:
    found = []
    for _ in range(2):
        _, rounded = pair()
        losses = _fused.losses(rounded, *packed(rows()))
        assert losses is not None
        losses.sum().backward()
        found.append([losses.detach(), *(p.grad for p in rounded.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_two_passes_may_overlap() -> None:
    _, rounded = pair()
    batch = packed(rows())
    one, two = _fused.losses(rounded, *batch), _fused.losses(rounded, *batch)
    assert one is not None
    assert two is not None
    one.sum().backward()
    first = rounded.model.norm.weight.grad.clone()
    rounded.zero_grad()
    two.sum().backward()
    assert torch.equal(rounded.model.norm.weight.grad, first)


def test_without_gradients_losses_are_the_same() -> None:
    _, rounded = pair()
    batch = packed(rows())
    with torch.inference_mode():
        plain = _fused.losses(rounded, *batch)
    assert plain is not None
    assert not plain.requires_grad
    found = _fused.losses(rounded, *batch)
    assert found is not None
    assert torch.equal(found, plain)


def test_what_is_no_number_stays_none() -> None:
    _, rounded = pair()
    with torch.no_grad():
        rounded.model.layers[1].mlp.down_proj.weight[3, 5] = torch.nan
    found = _fused.losses(rounded, *packed(rows()))
    assert found is not None
    assert bool(found.isnan().any())


def test_other_networks_are_left_alone() -> None:
    exact, rounded = pair()
    assert _fused.losses(exact, *packed(rows())) is None
    assert "bfloat16" in operations(exact)
    assert operations(rounded) == "fused kernels"


def test_rows_are_laid_end_to_end() -> None:
    ids = torch.tensor([[7, 8, 9, 0], [1, 2, 3, 4]])
    segments = torch.tensor([[0, 0, 1, -1], [0, 1, 1, 1]])
    positions = torch.tensor([[0, 1, 0, 0], [0, 0, 1, 2]])
    targets = torch.tensor([[8, -100, -100, -100], [-100, 3, -100, -100]])
    batch = _fused.ragged(ids, positions, segments, targets)
    assert batch.ids[:7].tolist() == [7, 8, 9, 1, 2, 3, 4]
    assert len(batch.ids) == 32
    assert batch.starts.tolist() == [0, 2, 3, 4, 7, 32]
    assert batch.where.tolist() == [0, 4]
    assert batch.targets.tolist() == [8, 3]
    assert int(batch.positions[:7].sum()) == 0 + 1 + 0 + 0 + 0 + 1 + 2


def test_a_stack_names_each_weight_once() -> None:
    _, rounded = pair(tie_word_embeddings=True)
    assert len(stack_of(rounded).parameters) == len(list(rounded.parameters()))
