"""Float32 master weights behind a network that computes in another precision."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from luthier.models import _fused, _fused_bert
from luthier.tune._sharded import cut_like, whole
from luthier.tune._world import World


class Weights:
    """The trainable weights of a network and their gradients, in float32.

    In float32 the tensors are the network's own. In bfloat16 they are master copies
    (Micikevicius et al. 2018): gradients are summed in float32 over micro-batches, the update is
    made on the copies, and the network gets the rounded result.

    Args:
        network: Already in its computing precision and on its device.
    """

    def __init__(self, network: Any) -> None:
        self.pairs: list[tuple[str, Tensor, Tensor]] = []
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                own = parameter.dtype == torch.float32
                master = parameter if own else parameter.detach().float().clone()
                self.pairs.append((name, parameter, master))
        # fused kernels sum gradients here in float32 (see models/_fused.py)
        direct = [p for _, p, m in self.pairs if p is not m]
        for parameter in direct:
            parameter.main_grad, parameter.main_grad_over = None, True  # type: ignore[attr-defined]
        weakref.finalize(self, _stop, direct)

    @property
    def named(self) -> list[tuple[str, Tensor]]:
        """Names and float32 tensors, for the optimizer."""
        return [(name, master) for name, _, master in self.pairs]

    @property
    def rounded(self) -> dict[int, Tensor]:
        """For the ``id`` of a master the network's own tensor, if it is bfloat16."""
        pairs = [(m, p) for _, p, m in self.pairs if p is not m and p.dtype == torch.bfloat16]
        return {id(master): parameter for master, parameter in pairs}

    @property
    def count(self) -> int:
        """Number of trainable weights."""
        return sum(m.numel() for _, _, m in self.pairs)

    def gather(self) -> None:
        """After each backward pass: add the network's gradients to the master's."""
        for _, parameter, master in self.pairs:
            direct = getattr(parameter, "main_grad", None)
            over = getattr(parameter, "main_grad_over", True)
            if direct is not None and parameter.requires_grad and not over:
                master.grad = direct
            if parameter is master or parameter.grad is None:
                continue
            if master.grad is None:
                master.grad = parameter.grad.float()
            else:
                master.grad += parameter.grad
            parameter.grad = None

    def add_up(self, world: World) -> None:
        """Before the update: sum the gradients over all processes, unless FSDP2 has done so."""
        if world.size == 1 or world.sharded:
            return
        for _, parameter, master in self.pairs:
            if master.grad is None and parameter.requires_grad:  # nothing to read in this process
                master.grad = torch.zeros_like(master)
        world.add_up([m.grad for _, _, m in self.pairs if m.grad is not None])

    def clip(self, max_norm: float) -> float:
        """Scale gradients down to this norm; returns the norm before."""
        masters = [m for _, _, m in self.pairs]
        return float(whole(torch.nn.utils.clip_grad_norm_(masters, max_norm)))

    def scatter(self) -> None:
        """After the update: round into the network, forget the gradients."""
        with torch.no_grad():
            for _, parameter, master in self.pairs:
                if parameter is not master:
                    parameter.copy_(master)
        self.forget()

    def forget(self) -> None:
        """Drop the gradients."""
        for _, parameter, master in self.pairs:
            master.grad = None
            if hasattr(parameter, "main_grad"):
                parameter.main_grad_over = True  # type: ignore[attr-defined]

    def snapshot(self) -> list[Tensor]:
        """Copies of the master weights, whole and on the CPU."""
        return [whole(m.detach()).cpu().clone() for _, _, m in self.pairs]

    def restore(self, tensors: list[Tensor]) -> None:
        """Put a snapshot back."""
        with torch.no_grad():
            for (_, _, master), tensor in zip(self.pairs, tensors, strict=True):
                master.copy_(cut_like(tensor, master))
        self.scatter()


def _stop(parameters: Iterable[Any]) -> None:
    """No more sums in float32: gradients are the network's own again, and memory is given back."""
    _fused.release()
    _fused_bert.release()
    for parameter in parameters:
        if hasattr(parameter, "main_grad"):
            del parameter.main_grad, parameter.main_grad_over
