"""All weights or adapters only, and an adapter folded in says what it said beside."""

from __future__ import annotations

import pytest
import torch
from tiny_models import logits, tiny

from luthier.tune.methods import Full, Lora, apply, merged

IDS = [10, 20, 30, 40]


def lora(kind: str = "llama", method: Lora | None = None) -> torch.nn.Module:
    network: torch.nn.Module = apply(method or Lora(r=2), tiny(kind).network, seed=0)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.data)
    return network.eval()


def test_full_tuning_updates_every_weight() -> None:
    network = tiny().network.requires_grad_(False)
    assert apply(Full(), network, seed=0) is network
    assert all(p.requires_grad for p in network.parameters())
    assert merged(network) is network


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_lora_trains_adapters_only_and_begins_as_the_base(kind: str) -> None:
    base = logits(tiny(kind).network, IDS)
    network = apply(Lora(r=2), tiny(kind).network, seed=0)
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in n for n in names)
    assert not any("lm_head" in n for n in names)
    torch.testing.assert_close(logits(network.eval(), IDS), base)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_merged_equals_adapter_on_base(kind: str) -> None:
    network = lora(kind)
    beside = logits(network, IDS)
    folded = merged(network)
    assert type(folded) is type(tiny(kind).network)
    torch.testing.assert_close(logits(folded, IDS), beside, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(beside, logits(tiny(kind).network, IDS), atol=0.1)


def test_adapter_weights_follow_the_seed() -> None:
    def first(seed: int) -> torch.Tensor:
        network = apply(Lora(r=2), tiny().network, seed=seed)
        weight: torch.Tensor = next(p for n, p in network.named_parameters() if "lora_A" in n)
        return weight

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_named_modules_only() -> None:
    network = lora(method=Lora(r=2, target_modules=("q_proj", "v_proj")))
    names = {n.split(".")[-4] for n, p in network.named_parameters() if p.requires_grad}
    assert names == {"q_proj", "v_proj"}
