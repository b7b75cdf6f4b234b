"""Cross-entropy fused with the vocabulary projection.

Loss and gradients are computed together, a few hundred tokens at a time: the logits of a piece
stay in the processor's cache, and no logits are kept for the backward pass (as in Hsu et al.
2024, Liger Kernel, section 3.3). The result is that of the plain computation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_PIECE = 256  # tokens at a time


class HeadLoss(torch.autograd.Function):
    """Sum of the cross-entropies (nats) of ``hidden @ weight.T`` against targets."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Compute loss and gradients.

        Args:
            ctx: Keeps the gradients.
            hidden: [n, width].
            weight: [vocabulary, width]; gets a gradient only if it asks for one.
            targets: int64 [n]; negative ones do not count.
            smoothing: Share of each target spread evenly over the vocabulary.

        Returns:
            float32 scalar.
        """
        to_hidden = torch.empty_like(hidden)
        trained = ctx.needs_input_grad[1]
        to_weight = torch.zeros_like(weight, dtype=torch.float32) if trained else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for begin in range(0, len(hidden), _PIECE):
            part, wanted = hidden[begin : begin + _PIECE], targets[begin : begin + _PIECE, None]
            counts, wanted = wanted >= 0, wanted.clamp(min=0)
            logits = (part @ weight.T).float()
            norm = torch.logsumexp(logits, 1, keepdim=True)
            aim = (1.0 - smoothing) * logits.gather(1, wanted)
            if smoothing:
                aim += smoothing * logits.mean(1, keepdim=True)
            total += ((norm - aim) * counts).sum()
            # the gradient of the loss by the logits: probabilities, less the shares of the target
            slope = logits.sub_(norm).exp_()
            slope.scatter_add_(1, wanted, torch.full_like(norm, smoothing - 1.0))
            if smoothing:
                slope.sub_(smoothing / slope.shape[1])
            slope = slope.mul_(counts).to(hidden.dtype)
            to_hidden[begin : begin + _PIECE] = slope @ weight
            if to_weight is not None:
                to_weight += slope.T @ part
        kept = to_weight.to(weight.dtype) if to_weight is not None else None
        ctx.save_for_backward(to_hidden, kept)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """Hand the gradients on, scaled."""
        to_hidden, to_weight = ctx.saved_tensors
        scaled = None if to_weight is None else to_weight * grad.to(to_weight.dtype)
        return to_hidden * grad.to(to_hidden.dtype), scaled, None, None
