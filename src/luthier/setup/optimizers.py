"""Optimizers by name, built on parameter groups: matrices decay, gains and biases do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, assert_never

from pydantic import Field

from luthier.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor


class AdamW(Spec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    """Tag."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay of the first and second moment."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root of the second moment."""


class Muon(Spec):
    """Orthogonalised momentum for matrices (Jordan et al. 2024), AdamW for the rest."""

    kind: Literal["muon"] = "muon"
    """Tag."""
    momentum: float = Field(0.95, ge=0, lt=1)
    """Nesterov momentum of the hidden matrices."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's, for embeddings, head and gains."""


OptimizerSpec = Annotated[AdamW | Muon, Field(discriminator="kind")]


class Optimizers:
    """One or two torch optimizers stepped as one.

    Args:
        parts: The optimizers; each parameter is in exactly one.
    """

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def step(self, lr: float) -> None:
        """Update all weights with this learning rate."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr
            part.step()

    def state_dict(self) -> list[Any]:
        """State of all parts, to be saved."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[Any]) -> None:
        """Put a saved state back."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def build(
    spec: AdamW | Muon, named: Iterable[tuple[str, Tensor]], *, lr: float, weight_decay: float
) -> Optimizers:
    """Make the optimizer.

    Args:
        spec: Which one.
        named: Names and float32 tensors to update.
        lr: Peak learning rate.
        weight_decay: For tensors of two or more dimensions.
    """
    import torch

    pairs = list(named)
    match spec:
        case AdamW():
            groups = _groups(pairs, weight_decay)
            return Optimizers([torch.optim.AdamW(groups, lr=lr, betas=spec.betas, eps=spec.eps)])
        case Muon():
            hidden = [p for n, p in pairs if p.ndim == 2 and not _outer(n)]
            others = [(n, p) for n, p in pairs if p.ndim != 2 or _outer(n)]
            parts: list[Any] = []
            if others:
                groups = _groups(others, weight_decay)
                parts.append(torch.optim.AdamW(groups, lr=lr, betas=spec.betas))
            if hidden:
                parts.append(
                    torch.optim.Muon(
                        hidden,
                        lr=lr,
                        weight_decay=weight_decay,
                        momentum=spec.momentum,
                        adjust_lr_fn="match_rms_adamw",
                    )
                )
            return Optimizers(parts)
        case _:
            assert_never(spec)


def _outer(name: str) -> bool:
    return "embed" in name or "lm_head" in name or "wte" in name or "wpe" in name


def _groups(pairs: list[tuple[str, Tensor]], weight_decay: float) -> list[dict[str, Any]]:
    decayed = [p for _, p in pairs if p.ndim >= 2]
    plain = [p for _, p in pairs if p.ndim < 2]
    groups: list[dict[str, Any]] = []
    if decayed:
        groups.append({"params": decayed, "weight_decay": weight_decay})
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    return groups
