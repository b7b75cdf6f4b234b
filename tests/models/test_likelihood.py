"""Losses equal the model's own, whatever the architecture, and no packed row sees another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tiny_models import MAKERS, logits, tiny
from torch.nn import functional

from luthier.core.errors import ModelError
from luthier.models import likelihood
from luthier.models.likelihood import block_mask, nll

ARCHITECTURES = sorted(MAKERS)


def rows(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randint(5, 400, (n,), generator=generator) for n in lengths]


def packed(
    parts: Sequence[torch.Tensor], width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, positions, segments, targets of one sequence; every token but the first is learned."""
    ids = torch.zeros(1, width, dtype=torch.int64)
    positions = torch.zeros(1, width, dtype=torch.int64)
    segments = torch.full((1, width), -1)
    targets = torch.full((1, width), -100)
    at = 0
    for number, part in enumerate(parts):
        n = len(part)
        ids[0, at : at + n] = part
        positions[0, at : at + n] = torch.arange(n)
        segments[0, at : at + n] = number
        targets[0, at : at + n - 1] = part[1:]
        at += n
    return ids, positions, segments, targets


def own_losses(network: object, row: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits(network, row.tolist())[:-1], row[1:], reduction="none")


def test_block_mask_by_hand() -> None:
    mask = block_mask(torch.tensor([[0, 0, 1, 1, -1]]))[0, 0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]
    window = block_mask(torch.tensor([[0, 0, 0, 0]]), 2)[0, 0].int().tolist()
    assert window == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_packed_losses_equal_the_models_own_of_each_row_alone(kind: str) -> None:
    # 25 tokens are longer than the sliding windows of these models
    network, parts = tiny(kind).network, rows(25, 4, 11)
    with torch.inference_mode():
        losses, owners = nll(network, *packed(parts, 48))
    expected = torch.cat([own_losses(network, part) for part in parts])
    torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-4)
    assert owners.tolist() == [0] * len(expected)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_changed_neighbour_moves_no_loss_of_the_others(kind: str) -> None:
    network, (first, middle, last) = tiny(kind).network, rows(9, 7, 12)
    with torch.inference_mode():
        before, _ = nll(network, *packed([first, middle, last], 30))
        after, _ = nll(network, *packed([first, (middle + 31) % 400, last], 30))
    assert not torch.equal(before[8:14], after[8:14])
    torch.testing.assert_close(before[:8], after[:8], rtol=0, atol=1e-6)
    torch.testing.assert_close(before[14:], after[14:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_losses_in_pieces_have_the_same_values_and_gradients(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [torch.cat(t) for t in zip(*(packed([r], 100) for r in rows(*[100] * 6)), strict=True)]
    network = tiny(kind).network
    whole, owners = nll(network, *batch)
    whole.sum().backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    monkeypatch.setattr(likelihood, "_LOGITS_AT_ONCE", 1)  # pieces of 256 tokens
    pieces, pieced_owners = nll(network, *batch)
    pieces.sum().backward()
    assert len(whole) == 6 * 99
    torch.testing.assert_close(pieces, whole)
    assert torch.equal(owners, pieced_owners)
    for wanted, parameter in zip(gradients, network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gemma2", "gpt2"])
def test_packed_and_single_rows_have_the_same_gradient(kind: str) -> None:
    network, parts = tiny(kind).network, rows(12, 5, 9)
    nll(network, *packed(parts, 32))[0].sum().backward()
    together = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    for part in parts:
        nll(network, *packed([part], len(part)))[0].sum().backward()
    for wanted, parameter in zip(together, network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, wanted, rtol=1e-3, atol=1e-4)


def test_owners_name_the_sequence_of_each_loss() -> None:
    first, second = packed(rows(5), 8), packed(rows(3, 3), 8)
    batch = [torch.cat(t) for t in zip(first, second, strict=True)]
    _, owners = nll(tiny().network, *batch)
    assert owners.tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_known_architectures_pass_the_check(kind: str) -> None:
    likelihood.check(tiny(kind).network)


def test_an_architecture_that_scales_its_logits_unknown_to_us_is_refused() -> None:
    network = tiny().network
    forward = network.forward

    def scaled(*args: object, **kwargs: object) -> object:
        out = forward(*args, **kwargs)
        out.logits = out.logits * 0.5
        return out

    network.forward = scaled
    with pytest.raises(ModelError, match="other losses than single ones with LlamaForCausalLM"):
        likelihood.check(network)


def test_an_architecture_whose_memory_runs_through_packed_rows_is_refused() -> None:
    import transformers

    config = transformers.MambaConfig(
        vocab_size=400, hidden_size=16, num_hidden_layers=1, state_size=4
    )
    torch.manual_seed(0)
    with pytest.raises(ModelError, match="MambaForCausalLM"):
        likelihood.check(transformers.MambaForCausalLM(config))
