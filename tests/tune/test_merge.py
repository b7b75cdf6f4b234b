"""Folding an adapter in is held against the answers before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import MAKERS, tiny

from luthier.core.errors import TuneError
from luthier.models.quantise import is_quantised
from luthier.tune._merge import answers, merged, verify
from luthier.tune.methods import IA3, Lora, Method, QLora, apply


def tuned(method: Method, kind: str = "llama") -> Any:
    network = apply(method, tiny(kind).network, seed=0)
    random = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=random)
    return network.eval()


@pytest.mark.parametrize("method", [Lora(r=2), Lora(r=2, use_dora=True), IA3()])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "granite"])
def test_the_answers_stay_the_same(method: Method, kind: str) -> None:
    network = tuned(method, kind)
    before = answers(network)
    folded = merged(network)
    assert type(folded) is type(tiny(kind).network)
    torch.testing.assert_close(answers(folded), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", MAKERS)
def test_in_bfloat16_rounding_is_allowed_for(kind: str) -> None:
    network = apply(Lora(r=2), tiny(kind).network.to(torch.bfloat16), seed=0)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    assert merged(network).dtype == torch.bfloat16


def test_a_base_in_4_bits_is_made_whole() -> None:
    # peft#1043: folded into rounded weights, the answers change
    network = apply(QLora(r=2), tiny().network, seed=0)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    before = answers(network.eval())
    folded = merged(network)
    assert not is_quantised(folded)
    torch.testing.assert_close(answers(folded), before, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(answers(tiny().network), before, atol=1e-2)


def test_a_fold_that_loses_the_update_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tuned(Lora(r=2, target_modules=("up_proj",)))
    # as folding into rounded weights does: the update of one matrix is gone
    lost = network.get_base_model().model.layers[0].mlp.up_proj
    monkeypatch.setattr(lost, "get_delta_weight", lambda name: torch.zeros(48, 32))
    with pytest.raises(TuneError, match="changes the answers"):
        merged(network)


def test_another_likeliest_token_is_named() -> None:
    before = torch.tensor([[[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]]])
    after = torch.tensor([[[0.9, 0.05, 0.05], [0.9, 0.05, 0.05]]])
    with pytest.raises(TuneError, match=r"up to 0.85 .* 1 of 2 likeliest tokens"):
        verify(before, after, torch.float32)


def test_near_ties_may_change_places() -> None:
    before = torch.tensor([[[0.4502, 0.4498, 0.1]]])
    verify(before, torch.tensor([[[0.4499, 0.4501, 0.1]]]), torch.float32)


def test_answers_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(TuneError, match="nan"):
        verify(torch.zeros(1, 1, 2), torch.full((1, 1, 2), torch.nan), torch.float32)


def test_a_single_score_has_no_second_best() -> None:
    verify(torch.ones(4, 1), torch.ones(4, 1) + 1e-4, torch.float32)
    with pytest.raises(TuneError, match=r"up to 0.5"):
        verify(torch.ones(4, 1), torch.zeros(4, 1), torch.float32)
