"""AdamW in one pass over weights, gradients and moments, clipping and rounding included.

PyTorch takes five: the norm, clipping, the update, rounding into the network, and clearing. The
optimizer's state stays PyTorch's own, so that checkpoints are the same with and without.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from luthier.models._fused_library import library
from luthier.models._fused_network import squares_of

_LONG, _FLOAT, _POINTER = ctypes.c_long, ctypes.c_float, ctypes.c_void_p


class _Tensor(ctypes.Structure):
    """See ``adamw.c``."""

    _fields_ = (
        *((name, _POINTER) for name in ("weight", "slope", "first", "second", "rounded")),
        ("count", _LONG),
        *((name, _FLOAT) for name in ("keep", "step", "root", "beta1", "beta2", "eps")),
    )


def fits(optimizer: Any, weights: list[Tensor]) -> bool:
    """Whether ``Update`` does what the optimizer would.

    Args:
        optimizer: Of PyTorch.
        weights: What it updates.
    """
    plain = all(
        type(w) in (Tensor, torch.nn.Parameter)
        and w.device.type == "cpu"
        and w.dtype == torch.float32
        and w.is_contiguous()
        for w in weights
    )
    return (
        plain
        and type(optimizer) is torch.optim.AdamW
        and not any(g["amsgrad"] or g["maximize"] for g in optimizer.param_groups)
        and library()[0] is not None
    )


class Update:
    """One step: first the norm of its gradients, then the new weights.

    Args:
        optimizer: ``torch.optim.AdamW``; weights without a gradient stay as they are.
        rounded: For the ``id`` of a weight the bfloat16 tensor that gets it rounded.
    """

    def __init__(self, optimizer: Any, rounded: Mapping[int, Tensor]) -> None:
        self.kernels, self.optimizer, self.rounded = library()[0], optimizer, rounded
        self.pairs = [
            (w, group)
            for group in optimizer.param_groups
            for w in group["params"]
            if w.grad is not None
        ]
        self.slopes = [w.grad.contiguous() for w, _ in self.pairs]
        self.tensors = (_Tensor * len(self.pairs))()
        for tensor, (weight, _), slope in zip(self.tensors, self.pairs, self.slopes, strict=True):
            tensor.slope, tensor.count = slope.data_ptr(), weight.numel()

    def norm(self) -> float:
        """Of all gradients; where a kernel has summed the squares already, that is taken."""
        noted = [squares_of(slope) for slope in self.slopes]
        others = [t for t, known in zip(self.tensors, noted, strict=True) if known is None]
        found = ctypes.c_double()
        self.kernels.gradient_norm(
            (_Tensor * len(others))(*others), _LONG(len(others)), ctypes.byref(found)
        )
        return math.sqrt(found.value**2 + sum(known for known in noted if known is not None))

    def apply(self, factor: float) -> None:
        """Update the weights by their gradients times a factor, at the groups' learning rates."""
        states = [self._state(weight) for weight, _ in self.pairs]
        if states:
            torch._foreach_add_([s["step"] for s in states], 1)
        for tensor, (weight, group), state in zip(self.tensors, self.pairs, states, strict=True):
            (beta1, beta2), lr, step = group["betas"], float(group["lr"]), float(state["step"])
            tensor.weight = weight.data_ptr()
            tensor.first, tensor.second = (state[n].data_ptr() for n in ("exp_avg", "exp_avg_sq"))
            rounded = self.rounded.get(id(weight))
            tensor.rounded = None if rounded is None else rounded.data_ptr()
            tensor.keep, tensor.step = 1 - lr * group["weight_decay"], lr / (1 - beta1**step)
            tensor.root = 1 / math.sqrt(1 - beta2**step)
            tensor.beta1, tensor.beta2, tensor.eps = beta1, beta2, group["eps"]
        self.kernels.adamw(self.tensors, _LONG(len(self.tensors)), _FLOAT(factor))

    def _state(self, weight: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.optimizer.state[weight]
        if not state:  # as PyTorch begins it
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        return state
