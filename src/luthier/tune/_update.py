"""The update of the weights at the end of a step, in one pass where there are kernels for it."""

from __future__ import annotations

from luthier.models import _fused_adamw
from luthier.setup.optimizers import Optimizers
from luthier.tune._weights import Weights


class Update:
    """One update: first the gradients are clipped, then the weights change.

    Args:
        weights: With the gradients of the whole step.
        optimizer: Theirs.
    """

    def __init__(self, weights: Weights, optimizer: Optimizers) -> None:
        self.weights, self.optimizer, self.factor = weights, optimizer, 1.0
        rounded, masters = weights.rounded, [m for _, m in weights.named]
        self.fused: _fused_adamw.Update | None = None
        # float32 networks take PyTorch's: nothing is compiled for them alone
        if rounded and len(optimizer.parts) == 1 and _fused_adamw.fits(optimizer.parts[0], masters):
            self.fused = _fused_adamw.Update(optimizer.parts[0], rounded)

    def clip(self, max_norm: float) -> float:
        """Scale gradients down to this norm; returns the norm before."""
        if self.fused is None:
            return self.weights.clip(max_norm)
        norm = self.fused.norm()
        self.factor = min(1.0, max_norm / (norm + 1e-6))  # as in torch.nn.utils.clip_grad_norm_
        return norm

    def apply(self, lr: float) -> None:
        """Update, round into the network, forget the gradients."""
        if self.fused is None:
            self.optimizer.step(lr)
            self.weights.scatter()
            return
        self.optimizer.at(lr)
        self.fused.apply(self.factor)
        self.weights.forget()
