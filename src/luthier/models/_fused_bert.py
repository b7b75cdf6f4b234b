"""States and gradients of BERT by fused kernels, on processors with matrix tiles.

Rows lie end to end, without padding. A block is one call forwards and one backwards; see
``_fused_c/bert.c``. Dropout is a function of a key and of what it applies to, so that the backward
pass draws the same bits again. Gradients of weights are summed in float32, straight into where the
optimizer finds them (``main_grad`` of a parameter that has this attribute).
"""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError, sum_of

SPARE = 32  # rows behind the last that kernels may read
_LONG, _FLOAT, _POINTER = ctypes.c_long, ctypes.c_float, ctypes.c_void_p
_BITS = 16  # of the random numbers that decide what is dropped


class Dropout(ctypes.Structure):
    """What is kept; see ``random.h``."""

    _fields_ = (("key", ctypes.c_uint64), ("least", ctypes.c_uint32), ("scale", _FLOAT))


_MEMORY = (
    *("x", "sides", "mixed", "normed", "between", "gates", "last_normed", "y", "rstd", "log_sums"),
    *("packed", "active", "made", "left", "right", "slope", "to_out", "to_sides", "sums"),
)


class Call(ctypes.Structure):
    """A block and a pass; see ``bert.h``."""

    _fields_ = (
        *((name, _LONG) for name in ("tokens", "rows", "width", "inner", "heads", "number")),
        ("starts", _POINTER),
        ("eps", _FLOAT),
        ("hidden", Dropout),
        ("attention", Dropout),
        ("weight", _POINTER * 6),
        ("bias", _POINTER * 6),
        ("gain", _POINTER * 2),
        ("shift", _POINTER * 2),
        ("to_weight", _POINTER * 6),
        ("to_bias", _POINTER * 6),
        ("to_gain", _POINTER * 2),
        ("to_shift", _POINTER * 2),
        ("fresh", _LONG * 6),
        *((name, _POINTER) for name in _MEMORY),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A block's weights.

    Attributes:
        linear: Queries, keys, values, out, up and down.
        norms: Behind attention, and behind the MLP.
    """

    linear: tuple[nn.Linear, ...]
    norms: tuple[nn.LayerNorm, ...]

    @property
    def parameters(self) -> list[Tensor]:
        """In the order of ``Call``: weights, biases, gains, shifts."""
        return [
            *(layer.weight for layer in self.linear),
            *(layer.bias for layer in self.linear),
            *(norm.weight for norm in self.norms),
            *(norm.bias for norm in self.norms),
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class Stack:
    """A body's shape and blocks."""

    blocks: list[Block]
    width: int
    inner: int
    heads: int
    eps: float
    hidden_rate: float
    attention_rate: float

    @property
    def key(self) -> tuple[int, ...]:
        """What memory depends on."""
        return len(self.blocks), self.width, self.inner, self.heads, torch.get_num_threads()


def stack_of(body: Any) -> Stack:
    """The blocks of a network the kernels know.

    Args:
        body: A ``BertModel``.

    Raises:
        UnknownNetworkError: They don't know it, or it is not one they can compute here; says why.
    """
    config = body.config
    if config.hidden_act != "gelu" or getattr(body, "gradient_checkpointing", False):
        raise UnknownNetworkError("another activation, or activation checkpointing")
    stack = Stack(
        blocks=[_block(layer) for layer in body.encoder.layer],
        width=config.hidden_size,
        inner=config.intermediate_size,
        heads=config.num_attention_heads,
        eps=config.layer_norm_eps,
        hidden_rate=config.hidden_dropout_prob,
        attention_rate=config.attention_probs_dropout_prob,
    )
    sizes = (stack.width, stack.inner, stack.width // stack.heads)
    if any(size % 32 for size in sizes) or stack.width % stack.heads:
        raise UnknownNetworkError("sizes that are no multiples of 32")
    kernels, reason = library()
    if kernels is None:
        raise UnknownNetworkError(reason)
    return stack


def _block(layer: Any) -> Block:
    own, out, last = layer.attention.self, layer.attention.output, layer.output
    linear = (own.query, own.key, own.value, out.dense, layer.intermediate.dense, last.dense)
    block = Block(linear, (out.LayerNorm, last.LayerNorm))
    kinds: list[type[nn.Module]] = [*[nn.Linear] * 6, *[nn.LayerNorm] * 2]
    for module, kind in zip((*block.linear, *block.norms), kinds, strict=True):
        if type(module) is not kind or module.bias is None:
            raise UnknownNetworkError(f"no kernels for this {type(module).__name__}")
    for weight in block.parameters:
        if weight.device.type != "cpu" or weight.dtype != torch.bfloat16:
            raise UnknownNetworkError("kernels are for bfloat16 on the CPU")
        if not weight.is_contiguous():
            raise UnknownNetworkError("weights that do not lie row by row")
    return block


class Space:
    """Memory of one forward and backward pass, used again by the next.

    Args:
        stack: The network.
        tokens: At most in a pass.
        keep: What a backward pass needs; else each block writes over what the last one left.
    """

    def __init__(self, stack: Stack, tokens: int, *, keep: bool) -> None:
        self.tokens, self.keep = tokens, keep
        width, inner, rows = stack.width, stack.inner, tokens + SPARE
        wide, count = max(width, inner), len(stack.blocks) if keep else 1
        self.states = _empty(count + 1, tokens, width)  # two at least: a block's input and output
        self.kept = {
            "sides": _empty(count, rows, 3 * width),
            "mixed": _empty(count, rows, width),
            "normed": _empty(count, tokens, width),
            "between": _empty(count, tokens, width),
            "gates": _empty(count, tokens, inner),
            "last_normed": _empty(count, tokens, width),
            "rstd": torch.empty(count, 2, tokens),
            "log_sums": torch.empty(count, stack.heads, tokens),
        }
        self.shared = {
            "packed": _empty(max(3 * width, inner) * width),
            "active": _empty(tokens, inner),
            "made": _empty(rows, width),
        }
        if keep:
            self.shared |= {
                "left": _empty(tokens, wide),
                "right": _empty(tokens, wide),
                "slope": _empty(tokens, width),
                "to_out": _empty(tokens, width),
                "to_sides": _empty(tokens, 3 * width),
                "sums": torch.empty(torch.get_num_threads(), 3, width),
            }

    def pointers(self, number: int) -> dict[str, int]:
        """Where the values of a block are."""
        at = number if self.keep else 0
        x, y = (at, at + 1) if self.keep else (number % 2, 1 - number % 2)
        return {
            "x": self.states[x].data_ptr(),
            "y": self.states[y].data_ptr(),
            **{name: tensor[at].data_ptr() for name, tensor in self.kept.items()},
            **{name: tensor.data_ptr() for name, tensor in self.shared.items()},
        }

    def last(self, blocks: int) -> Tensor:
        """The output of the last block."""
        return self.states[blocks if self.keep else blocks % 2]


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16)


_spaces: dict[tuple[Any, ...], Space] = {}


def release() -> None:
    """Give memory of passes that are over back."""
    _spaces.clear()


def states(stack: Stack, x: Tensor, starts: Tensor, *, training: bool) -> Tensor:
    """Last hidden states.

    Args:
        stack: The network's blocks.
        x: What comes out of the embeddings, bfloat16 [tokens, width]; a multiple of 32 tokens.
        starts: int64 [rows + 1], where each row begins, and the end of the last.
        training: With dropout.

    Returns:
        bfloat16 [tokens, width]; what lies behind the rows means nothing, and must get no gradient.
    """
    parameters = [p for block in stack.blocks for p in block.parameters if p.requires_grad]
    if torch.is_grad_enabled() and (parameters or x.requires_grad):
        found: Tensor = FusedStates.apply(  # type: ignore[no-untyped-call]
            stack, x, starts, training, *parameters
        )
        return found
    run = Run(stack, _take(stack, len(x), keep=False), starts, training)
    return run.forward(x)


def _take(stack: Stack, tokens: int, *, keep: bool) -> Space:
    space = _spaces.pop((keep, *stack.key), None)
    if space is not None and space.tokens >= tokens:
        return space
    with torch.inference_mode(False):  # a measurement may come first, and training after it
        return Space(stack, -(-tokens // 256) * 256, keep=keep)


class FusedStates(torch.autograd.Function):
    """All blocks."""

    @staticmethod
    def forward(
        ctx: Any, stack: Stack, x: Tensor, starts: Tensor, training: bool, *parameters: Tensor
    ) -> Tensor:
        """Compute the states, and keep what the gradients need; see ``states``."""
        ctx.parameters, ctx.through = parameters, x.requires_grad
        ctx.run = Run(stack, _take(stack, len(x), keep=True), starts, training)
        found: Tensor = ctx.run.forward(x)
        return found

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the parameters; those with ``main_grad`` have got theirs."""
        run, ctx.run = ctx.run, None
        if run is None:
            raise RuntimeError("the backward pass of fused states can be made once")
        to_x = run.backward(slope, through=ctx.through)
        grads = [run.made.get(id(p)) for p in ctx.parameters]
        own = zip(grads, ctx.parameters, strict=True)
        return None, to_x, None, None, *(None if g is None else g.to(p.dtype) for g, p in own)


class Run:
    """One forward and backward pass.

    Args:
        stack: The network's blocks.
        space: Memory; this pass's alone until it is over.
        starts: int64 [rows + 1].
        training: With dropout.
    """

    def __init__(self, stack: Stack, space: Space, starts: Tensor, training: bool) -> None:
        self.stack, self.space, self.starts = stack, space, starts
        self.library = library()[0]
        rates = (stack.hidden_rate, stack.attention_rate) if training else (0.0, 0.0)
        self.dropouts = tuple(_dropout(rate) for rate in rates)
        self.made: dict[int, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """The last block's output."""
        self.tokens = len(x)
        self.space.states[0, : self.tokens] = x.detach()
        for number in range(len(self.stack.blocks)):
            call = self._call(number)
            self.library.bert_forward(ctypes.byref(call))
        found = self.space.last(len(self.stack.blocks))[: self.tokens].clone()
        if not self.space.keep:
            self._give_back()
        return found

    def backward(self, slope: Tensor, *, through: bool) -> Tensor | None:
        """Add to the gradients of the parameters; the gradient by x if it is wanted."""
        whole = self.space.shared["slope"][: self.tokens]
        whole.copy_(slope)
        for number in reversed(range(0 if through else self._lowest(), len(self.stack.blocks))):
            call = self._call(number)
            for kind, sums in self._sums(number).items():
                setattr(call, kind, sums)
            self.library.bert_backward(ctypes.byref(call))
        found = whole.clone() if through else None
        self._give_back()
        return found

    def _lowest(self) -> int:
        """The lowest block that a gradient must reach."""
        trained = (any(p.requires_grad for p in b.parameters) for b in self.stack.blocks)
        return next((n for n, found in enumerate(trained) if found), len(self.stack.blocks))

    def _sums(self, number: int) -> dict[str, Any]:
        """Where the gradients of a block's parameters are summed."""
        found: list[int | None] = []
        fresh = (_LONG * 6)()
        for place, parameter in enumerate(self.stack.blocks[number].parameters):
            if not parameter.requires_grad:
                found.append(None)
                continue
            sums, over = sum_of(parameter, self.made)
            if place < len(fresh):
                fresh[place] = over
            elif over:
                sums.zero_()
            found.append(sums.data_ptr())
        return {"fresh": fresh, **_pointers("to_", found)}

    def _call(self, number: int) -> Call:
        stack, block = self.stack, self.stack.blocks[number]
        return Call(
            tokens=self.tokens,
            rows=len(self.starts) - 1,
            width=stack.width,
            inner=stack.inner,
            heads=stack.heads,
            number=number,
            starts=self.starts.data_ptr(),
            eps=stack.eps,
            hidden=self.dropouts[0],
            attention=self.dropouts[1],
            **_pointers("", [p.data_ptr() for p in block.parameters]),
            **self.space.pointers(number),
        )

    def _give_back(self) -> None:
        _spaces[(self.space.keep, *self.stack.key)] = self.space


def _pointers(before: str, found: list[int | None]) -> dict[str, Any]:
    six, two = _POINTER * 6, _POINTER * 2
    return {
        f"{before}weight": six(*found[:6]),
        f"{before}bias": six(*found[6:12]),
        f"{before}gain": two(*found[12:14]),
        f"{before}shift": two(*found[14:]),
    }


def _dropout(rate: float) -> Dropout:
    least = round(rate * 2**_BITS)
    if not least:
        return Dropout(0, 0, 1.0)
    key = int(torch.empty((), dtype=torch.int64).random_())  # of the global generator
    return Dropout(key, least, 1.0 / (1.0 - least / 2**_BITS))
