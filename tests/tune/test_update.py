"""The update is the same by kernels and by PyTorch, and both forget the gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from luthier.models._fused_library import library
from luthier.setup.optimizers import AdamW, AnyOptimizer, Muon, build
from luthier.tune._update import Update
from luthier.tune._weights import Weights


def stepped(
    dtype: torch.dtype, spec: AnyOptimizer, *, plain: bool = False
) -> tuple[Any, list[Any]]:
    """A layer after three updates, and the norms of its gradients."""
    torch.manual_seed(0)
    network: Any = torch.nn.Linear(40, 24).to(dtype)
    weights = Weights(network)
    optimizer = build(spec, weights.named, lr=1e-2, weight_decay=0.1)
    told: list[Any] = []
    for number in range(3):
        torch.manual_seed(number)
        x = torch.randn(8, 40, dtype=dtype)
        (network(x) ** 2).sum().backward()
        weights.gather()
        update = Update(weights, optimizer)
        told.append(update.fused is not None)
        if plain:
            update.fused = None
        told.append(update.clip(1.0))
        update.apply(5e-3)
        assert network.weight.grad is None
        assert all(master.grad is None for _, master in weights.named)
    return network, told


@pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")
def test_kernels_do_what_pytorch_does() -> None:
    one, told = stepped(torch.bfloat16, AdamW())
    two, others = stepped(torch.bfloat16, AdamW(), plain=True)
    assert told[0]
    assert told == pytest.approx(others, rel=1e-3)
    for own, other in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(own, other, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "spec"), [(torch.float32, AdamW()), (torch.bfloat16, Muon())], ids=["float32", "muon"]
)
def test_others_take_pytorchs(dtype: torch.dtype, spec: AnyOptimizer) -> None:
    network, told = stepped(dtype, spec)
    assert not any(told[::2])
    assert all(norm > 1.0 for norm in told[1::2])
    assert torch.isfinite(network.weight).all()
