"""The projection's losses and gradients are the plain ones, whatever the number of words."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from luthier.models._fused_head import Head
from luthier.models._fused_library import library

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


@pytest.mark.parametrize(("count", "vocabulary"), [(1, 32), (31, 256), (64, 992), (600, 1056)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_losses_and_gradients_are_the_plain_ones(
    count: int, vocabulary: int, smoothing: float
) -> None:
    torch.manual_seed(count)
    states, weight = torch.randn(count, 64).bfloat16(), torch.randn(vocabulary, 64).bfloat16()
    gain, targets = torch.rand(64).bfloat16() + 0.5, torch.randint(0, vocabulary, (count,))
    head = Head(library()[0], weight, gain, 1e-5, targets, smoothing)
    losses = head.forward(states)
    to_weight, to_gain = torch.zeros(vocabulary, 64), torch.zeros(64)
    factors = torch.rand(count)
    slope = head.backward(factors, to_weight, to_gain)

    exact = [t.float().requires_grad_() for t in (states, weight, gain)]
    normed = functional.rms_norm(exact[0], (64,), exact[2], 1e-5)
    plain = functional.cross_entropy(
        normed @ exact[1].T, targets, reduction="none", label_smoothing=smoothing
    )
    (plain * factors).sum().backward()
    torch.testing.assert_close(losses, plain.detach(), rtol=0.01, atol=0.1)
    for found, tensor in zip((slope, to_weight, to_gain), exact, strict=True):
        assert tensor.grad is not None
        apart = (found.float() - tensor.grad).norm() / tensor.grad.norm()
        assert float(apart) < 0.02


def test_what_is_summed_is_added() -> None:
    torch.manual_seed(0)
    weight, gain = torch.randn(64, 32).bfloat16(), torch.ones(32).bfloat16()
    head = Head(library()[0], weight, gain, 1e-5, torch.tensor([3, 9]))
    head.forward(torch.randn(2, 32).bfloat16())
    once, twice = torch.zeros(64, 32), torch.zeros(64, 32)
    head.backward(torch.ones(2), once, None)
    head.backward(torch.ones(2), twice, None)
    head.backward(torch.ones(2), twice, None)
    torch.testing.assert_close(twice, 2 * once)
    head.backward(torch.ones(2), None, None)  # a frozen projection
