"""The fused loss is the plain one, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from luthier.models._head_loss import HeadLoss


@pytest.mark.parametrize("n", [1, 255, 256, 700])
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_loss_and_gradients_are_the_plain_ones(n: int, trained: bool, smoothing: float) -> None:
    torch.manual_seed(n)
    hidden = torch.randn(n, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=trained)
    targets = torch.randint(0, 50, (n,))
    targets[: n // 3] = -100
    logits = hidden @ weight.T
    plain = (
        functional.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing) / 7
    )
    wanted = torch.autograd.grad(plain, [hidden, weight] if trained else [hidden])
    fused = HeadLoss.apply(hidden, weight, targets, smoothing) / 7
    found = torch.autograd.grad(fused, [hidden, weight] if trained else [hidden])
    torch.testing.assert_close(fused, plain)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
