"""Optimizers by name, built on parameter groups: matrices decay, gains and biases do not.

Full-batch, stochastic and mini-batch descent are one update rule on other batches: ``batch_of``
says how many rows a step of each reads. All but 8-bit AdamW are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, assert_never

from pydantic import Field, model_validator

from luthier.core.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

Decay = Annotated[float, Field(ge=0, lt=1)]
"""Of a running mean: the share of the old value that is kept."""

# Weights between tokens, or labels, and the hidden layers: Muon leaves them to AdamW.
_OUTER = ("embed", "lm_head", "wte", "wpe", "score", "classifier")


def _checked(spec: Any) -> Any:
    if spec.nesterov and not spec.momentum:
        raise ValueError("nesterov needs a momentum above 0")
    return spec


class GradientDescent(Spec):
    """Full-batch gradient descent: each step reads all rows (Cauchy 1847)."""

    kind: Literal["gradient_descent"] = "gradient_descent"
    """Tag."""
    momentum: Decay = 0.0
    """Share of the last update that goes on (Polyak 1964); 0 for none."""
    nesterov: bool = False
    """Look ahead: the gradient counts as if the momentum had already been followed (Nesterov 1983,
    in the form of Sutskever et al. 2013, section 2)."""

    _check = model_validator(mode="after")(_checked)


class Sgd(Spec):
    """Stochastic gradient descent: each step reads one row (Robbins & Monro 1951)."""

    kind: Literal["sgd"] = "sgd"
    """Tag."""
    momentum: Decay = 0.0
    """As with `gradient_descent`."""
    nesterov: bool = False
    """As with `gradient_descent`."""

    _check = model_validator(mode="after")(_checked)


class MinibatchSgd(Spec):
    """Mini-batch gradient descent: each step reads one batch (Bottou et al. 2018, section 3)."""

    kind: Literal["minibatch_sgd"] = "minibatch_sgd"
    """Tag."""
    momentum: Decay = 0.9
    """As with `gradient_descent`."""
    nesterov: bool = False
    """As with `gradient_descent`."""

    _check = model_validator(mode="after")(_checked)


class AdaGrad(Spec):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011)."""

    kind: Literal["adagrad"] = "adagrad"
    """Tag."""
    eps: float = Field(1e-10, gt=0)
    """Added to the root."""


class RmsProp(Spec):
    """Steps divided by the root of a running mean of squared gradients (Hinton 2012)."""

    kind: Literal["rmsprop"] = "rmsprop"
    """Tag."""
    alpha: Decay = 0.99
    """Decay of the squared gradients."""
    momentum: Decay = 0.0
    """Share of the last update that goes on."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root."""


class AdaDelta(Spec):
    """Steps as long as the last ones were, relative to the gradients (Zeiler 2012)."""

    kind: Literal["adadelta"] = "adadelta"
    """Tag."""
    rho: Decay = 0.9
    """Decay of squared gradients and squared updates."""
    eps: float = Field(1e-6, gt=0)
    """Added under both roots; the first steps are about its root long."""


class Adam(Spec):
    """Bias-corrected first and second moments (Kingma & Ba 2015); decay is part of the gradient."""

    kind: Literal["adam"] = "adam"
    """Tag."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    """Decay of the first and second moment."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root of the second moment."""


class AdamW(Spec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    """Tag."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    """Decay of the first and second moment."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root of the second moment."""


class AdamW8bit(Spec):
    """AdamW with moments in 8 bits, in blocks of 256 (Dettmers et al. 2022).

    The state takes a quarter of AdamW's. Tensors below 4,096 numbers keep 32 bits.
    """

    kind: Literal["adamw_8bit"] = "adamw_8bit"
    """Tag."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    """Decay of the first and second moment."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root of the second moment."""


class Adafactor(Spec):
    """Second moments of rows and columns only, no first moment (Shazeer & Stern 2018).

    Steps are relative to the size of the weights; the learning rate is the largest relative step.
    """

    kind: Literal["adafactor"] = "adafactor"
    """Tag."""
    beta2_decay: float = Field(-0.8, lt=0)
    """The second moment's decay in step t is 1 - t^beta2_decay (section 7.2)."""
    eps: float = Field(1e-3, gt=0)
    """Weights of a smaller root mean square than this move as if it were theirs (section 8)."""
    clip_threshold: float = Field(1.0, ge=1)
    """Largest root mean square of an update before it is scaled (section 6)."""


class Muon(Spec):
    """Orthogonalised momentum for matrices (Jordan et al. 2024), AdamW for the rest.

    Updates are scaled to the root mean square of AdamW's, so that its learning rate fits
    (Liu et al. 2025, section 2.2).
    """

    kind: Literal["muon"] = "muon"
    """Tag."""
    momentum: Decay = 0.95
    """Nesterov momentum of the hidden matrices."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    """AdamW's, for embeddings, head and gains."""


AnyOptimizer = (
    GradientDescent
    | Sgd
    | MinibatchSgd
    | AdaGrad
    | RmsProp
    | AdaDelta
    | Adam
    | AdamW
    | AdamW8bit
    | Adafactor
    | Muon
)
OptimizerSpec = Annotated[AnyOptimizer, Field(discriminator="kind")]


def batch_of(spec: AnyOptimizer) -> Literal["tokens", "row", "all"]:
    """How many rows a step reads: as many as ``batch_tokens`` says, one, or all."""
    match spec:
        case GradientDescent():
            return "all"
        case Sgd():
            return "row"
        case _:
            return "tokens"


def default_lr(spec: AnyOptimizer) -> float:
    """The peak learning rate to begin with, for tuning a language model.

    Rates of plain descents are in units of weight per gradient, AdaDelta's is a factor of its own
    step, Adafactor's a share of the weights' size; the others are about the step of each weight.
    They are the usual ones of the literature; ``luthier tune --compare-optimizers`` says what fits.
    """
    match spec:
        case GradientDescent() | MinibatchSgd():
            return 0.1
        case Sgd():
            return 0.01
        case AdaGrad():
            return 2e-3
        case AdaDelta():
            return 1.0
        case Adafactor():
            return 1e-2
        case RmsProp() | Adam() | AdamW() | AdamW8bit() | Muon():
            return 2e-4
        case _:
            assert_never(spec)


class Optimizers:
    """One or two torch optimizers stepped as one.

    Args:
        parts: The optimizers; each parameter is in exactly one. A group's ``lr_scale``, if it has
            one, multiplies the learning rate.
    """

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def step(self, lr: float) -> None:
        """Update all weights with this learning rate."""
        self.at(lr)
        for part in self.parts:
            part.step()

    def at(self, lr: float) -> None:
        """Set the learning rate of the next update."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr * group.get("lr_scale", 1.0)

    @property
    def state_bytes(self) -> int:
        """Memory that the state takes by now, in bytes; all of it after the first step."""
        held = (
            value
            for part in self.parts
            for state in part.state.values()
            for value in state.values()
        )
        return sum(v.numel() * v.element_size() for v in held if hasattr(v, "element_size"))

    def state_dict(self) -> list[Any]:
        """State of all parts, to be saved."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[Any]) -> None:
        """Put a saved state back."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def build(
    spec: AnyOptimizer,
    named: Iterable[tuple[str, Tensor]],
    *,
    lr: float,
    weight_decay: float,
    lr_scale: Callable[[str], float] = lambda name: 1.0,
) -> Optimizers:
    """Make the optimizer.

    Args:
        spec: Which one.
        named: Names and float32 tensors to update.
        lr: Peak learning rate.
        weight_decay: For matrices; gains and biases, IA3's too, do not decay. Decoupled from the
            gradient in AdamW, 8-bit AdamW, Adafactor and Muon; in the others it is added to it.
        lr_scale: For each name a factor of the learning rate, at every step of the schedule.
    """
    import torch.optim as known

    pairs = list(named)
    groups = _groups(pairs, weight_decay, lr_scale)
    part: Any
    match spec:
        case GradientDescent() | Sgd() | MinibatchSgd():
            how = {"momentum": spec.momentum, "nesterov": spec.nesterov}
            part = known.SGD(groups, lr=lr, fused=True, **how)  # type: ignore[arg-type]
        case AdaGrad():
            part = known.Adagrad(groups, lr=lr, eps=spec.eps, fused=True)
        case RmsProp():
            part = known.RMSprop(
                groups, lr=lr, alpha=spec.alpha, eps=spec.eps, momentum=spec.momentum
            )
        case AdaDelta():
            part = known.Adadelta(groups, lr=lr, rho=spec.rho, eps=spec.eps)
        case Adam():
            part = known.Adam(groups, lr=lr, betas=spec.betas, eps=spec.eps, fused=True)
        case AdamW():
            part = known.AdamW(groups, lr=lr, betas=spec.betas, eps=spec.eps, fused=True)
        case AdamW8bit():
            from luthier.setup._adamw_8bit import AdamW8bit as Own

            part = Own(groups, lr=lr, betas=spec.betas, eps=spec.eps)
        case Adafactor():
            part = known.Adafactor(
                groups,
                lr=lr,
                beta2_decay=spec.beta2_decay,
                eps=(None, spec.eps),
                d=spec.clip_threshold,
            )
        case Muon():
            return _muon(spec, pairs, lr, weight_decay, lr_scale)
        case _:
            assert_never(spec)
    return Optimizers([part])


def _muon(
    spec: Muon,
    pairs: list[tuple[str, Tensor]],
    lr: float,
    weight_decay: float,
    lr_scale: Callable[[str], float],
) -> Optimizers:
    import torch

    inner = {
        name
        for name, weight in pairs
        if weight.ndim == 2 and _spans_two(weight) and not any(o in name for o in _OUTER)
    }
    hidden = _groups([(n, p) for n, p in pairs if n in inner], weight_decay, lr_scale)
    others = _groups([(n, p) for n, p in pairs if n not in inner], weight_decay, lr_scale)
    parts: list[Any] = []
    if others:
        parts.append(torch.optim.AdamW(others, lr=lr, betas=spec.betas, fused=True))
    if hidden:
        parts.append(
            torch.optim.Muon(hidden, lr=lr, momentum=spec.momentum, adjust_lr_fn="match_rms_adamw")
        )
    return Optimizers(parts)


def _spans_two(weight: Tensor) -> bool:
    """Whether it is a matrix or more, and not a row or a column."""
    return sum(size > 1 for size in weight.shape) >= 2


def _groups(
    pairs: list[tuple[str, Tensor]], weight_decay: float, lr_scale: Callable[[str], float]
) -> list[dict[str, Any]]:
    """Parameter groups by weight decay and factor of the learning rate."""
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, weight in pairs:
        decay = weight_decay if _spans_two(weight) else 0.0
        groups.setdefault((decay, lr_scale(name)), []).append(weight)
    return [
        {"params": weights, "weight_decay": decay, "lr_scale": scale}
        for (decay, scale), weights in groups.items()
    ]
