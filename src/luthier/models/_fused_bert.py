"""States and gradients of BERT by fused kernels, on processors with matrix tiles.

Rows lie end to end, without padding. A block is one call forwards and one backwards; see
``_fused_c/bert.c``. Dropout is a function of a key and of what it applies to, so that the backward
pass draws the same bits again. Gradients of weights are summed in float32, straight into where the
optimizer finds them (``main_grad`` of a parameter that has this attribute).
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from luthier.models._fused_bert_network import (
    KEPT,
    MATRICES,
    SHARED,
    Call,
    EmbedCall,
    Embedded,
    Stack,
    dropout,
)
from luthier.models._fused_library import library
from luthier.models._fused_network import note_squares, sum_of

LINES = 32  # tokens of a pass are a multiple of it
SPARE = 32  # rows behind the last that kernels may read


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
        self.normed, self.rstd = _empty(tokens, width), torch.empty(tokens)  # of the embeddings
        self.kept = {
            "sides": _empty(count, rows, 3 * width),
            "mixed": _empty(count, rows, width),
            "normed": _empty(count, tokens, width),
            "between": _empty(count, tokens, width),
            "gates": _empty(count, tokens, inner),
            "active": _empty(count, tokens, inner),
            "last_normed": _empty(count, tokens, width),
            "rstd": torch.empty(count, 2, tokens),
            "log_sums": torch.empty(count, stack.heads, tokens),
        }
        self.shared = {
            "packed": _empty(max(3 * width, inner) * width),
            "made": _empty(rows, width),
        }
        if keep:
            self.shared |= {
                "left": _empty(tokens, wide),
                "right": _empty(tokens, wide),
                "slope": _empty(tokens, width),
                "to_out": _empty(tokens, width),
                "to_sides": _empty(tokens, 3 * width),
                # for more threads than are known here: a backward pass may come from another one
                "sums": torch.empty(max(torch.get_num_threads(), os.cpu_count() or 1), 3, width),
            }
        self.calls = [self._call(stack, number) for number in range(len(stack.blocks))]

    def _call(self, stack: Stack, number: int) -> Call:
        at = number if self.keep else 0
        x, y = (at, at + 1) if self.keep else (number % 2, 1 - number % 2)
        return Call(
            width=stack.width,
            inner=stack.inner,
            heads=stack.heads,
            number=number,
            eps=stack.eps,
            x=self.states[x].data_ptr(),
            y=self.states[y].data_ptr(),
            **{name: self.kept[name][at].data_ptr() for name in KEPT},
            **{f"memory_{n}": self.shared[n].data_ptr() for n in SHARED if n in self.shared},
        )

    def last(self, blocks: int) -> Tensor:
        """The output of the last block."""
        return self.states[blocks if self.keep else blocks % 2]


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16)


_spaces: dict[tuple[Any, ...], Space] = {}


def release() -> None:
    """Give memory of passes that are over back."""
    _spaces.clear()


def packed(stack: Stack) -> Stack:
    """The same network with its matrices packed once, for ``_fused_bert_pass``.

    A pass over few tokens is then quick: packing reads and writes all weights.
    """
    space, made = Space(stack, LINES, keep=False), []
    for call, weights in zip(space.calls, stack.blocks, strict=True):
        sizes = [sum(p.numel() for p in part) for part in (weights[:3], *zip(weights[3:6]))]
        ready = tuple(_empty(size) for size in sizes)
        call.weights[:] = [p.data_ptr() for p in weights]
        call.ready[:] = [p.data_ptr() for p in ready]
        library()[0].bert_pack(ctypes.byref(call))
        made.append(ready)
    return dataclasses.replace(stack, ready=tuple(made))


def states(stack: Stack, x: Tensor | Embedded, starts: Tensor, *, training: bool) -> Tensor:
    """Last hidden states.

    Args:
        stack: The network's blocks.
        x: Tokens, or what comes out of the embeddings, bfloat16 [tokens, width]; a multiple of 32.
        starts: int64 [rows + 1], where each row begins, and the end of the last.
        training: With dropout.

    Returns:
        bfloat16 [tokens, width]; what lies behind the rows means nothing, and must get no gradient.
    """
    weights = [p for block in stack.blocks for p in block if p.requires_grad]
    if isinstance(x, Embedded):
        weights += [p for p in x.weights if p.requires_grad]
        given, below, tokens, wanted = None, x, len(x.ids), bool(weights)
    else:
        given, below, tokens, wanted = x, None, len(x), bool(weights) or x.requires_grad
    keep = torch.is_grad_enabled() and wanted
    run = Run(stack, _take(stack, tokens, keep=keep), starts, training, tokens)
    if not keep:
        return run.forward(x)
    found: Tensor = FusedStates.apply(run, given, below, *weights)  # type: ignore[no-untyped-call]
    return found


def _take(stack: Stack, tokens: int, *, keep: bool) -> Space:
    space = _spaces.pop((keep, *stack.key), None)
    if space is not None and space.tokens >= tokens:
        return space
    with torch.inference_mode(False):  # a measurement may come first, and training after it
        return Space(stack, -(-tokens // 256) * 256, keep=keep)


class FusedStates(torch.autograd.Function):
    """Embeddings and all blocks."""

    @staticmethod
    def forward(
        ctx: Any, run: Run, given: Tensor | None, below: Embedded | None, *weights: Tensor
    ) -> Tensor:
        """Compute the states, and keep what the gradients need; see ``states``."""
        ctx.run, ctx.weights = run, weights
        ctx.through = given is not None and given.requires_grad
        x = given if below is None else below
        assert x is not None
        return run.forward(x)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the weights; those with ``main_grad`` have got theirs."""
        run, ctx.run = ctx.run, None
        if run is None:
            raise RuntimeError("the backward pass of fused states can be made once")
        to_x = run.backward(slope, through=ctx.through)
        grads = [run.made.get(id(p)) for p in ctx.weights]
        own = zip(grads, ctx.weights, strict=True)
        return None, to_x, None, *(None if g is None else g.to(p.dtype) for g, p in own)


class Run:
    """One forward and backward pass.

    Args:
        stack: The network's blocks.
        space: Memory; this pass's alone until it is over.
        starts: int64 [rows + 1].
        training: With dropout.
        tokens: In it.
    """

    def __init__(
        self, stack: Stack, space: Space, starts: Tensor, training: bool, tokens: int
    ) -> None:
        self.stack, self.space, self.starts, self.tokens = stack, space, starts, tokens
        self.library = library()[0]
        hidden, attention = (stack.hidden_rate, stack.attention_rate) if training else (0.0, 0.0)
        keys = torch.zeros(2, dtype=torch.int64)
        if hidden or attention:
            keys.random_()  # by the global generator
        self.hidden, attended = dropout(hidden, int(keys[0])), dropout(attention, int(keys[1]))
        self.made: dict[int, Tensor] = {}
        self.embed: tuple[Embedded, EmbedCall] | None = None
        for call, weights in zip(space.calls, stack.blocks, strict=True):
            call.tokens, call.rows, call.starts = tokens, len(starts) - 1, starts.data_ptr()
            call.hidden, call.attention = self.hidden, attended
            call.weights[:] = [p.data_ptr() for p in weights]

    def forward(self, x: Tensor | Embedded) -> Tensor:
        """The last block's output."""
        if isinstance(x, Embedded):
            self._embed(x)
        else:
            self.space.states[0, : self.tokens] = x.detach()
        for call in self.space.calls:
            self.library.bert_forward(ctypes.byref(call))
        found = self.space.last(len(self.stack.blocks))[: self.tokens].clone()
        if not self.space.keep:
            self._give_back()
        return found

    def _embed(self, x: Embedded) -> None:
        space = self.space
        memory = {n: space.shared[n].data_ptr() for n in ("slope", "sums") if n in space.shared}
        call = EmbedCall(
            tokens=self.tokens,
            width=self.stack.width,
            ids=x.ids.data_ptr(),
            positions=x.positions.data_ptr(),
            eps=self.stack.eps,
            dropout=self.hidden,
            normed=space.normed.data_ptr(),
            y=space.states[0].data_ptr(),
            rstd=space.rstd.data_ptr(),
            slope=memory.get("slope"),
            memory=memory.get("sums"),
        )
        call.weights[:] = [p.data_ptr() for p in x.weights]
        self.embed = x, call
        self.library.bert_embed(ctypes.byref(call))

    def backward(self, slope: Tensor, *, through: bool) -> Tensor | None:
        """Add to the gradients of the weights; the gradient by x if it is wanted."""
        whole = self.space.shared["slope"][: self.tokens]
        whole.copy_(slope)
        below = self.embed is not None and any(p.requires_grad for p in self.embed[0].weights)
        lowest = 0 if through or below else self._lowest()
        for number in reversed(range(lowest, len(self.stack.blocks))):
            call = self.space.calls[number]
            found, fresh = self._sums(self.stack.blocks[number])
            call.sums[:], call.fresh[:] = _pointers(found), fresh[:MATRICES]
            _clear(found[MATRICES:], fresh[MATRICES:])
            self.library.bert_backward(ctypes.byref(call))
            for sums, squares in zip(found, call.squares, strict=False):
                if sums is not None:
                    note_squares(sums, squares)
        if below and self.embed is not None:
            found, fresh = self._sums(self.embed[0].weights)
            self.embed[1].sums[:] = _pointers(found)
            _clear(found, fresh)
            self.library.bert_embed_backward(ctypes.byref(self.embed[1]))
        result = whole.clone() if through else None
        self._give_back()
        return result

    def _lowest(self) -> int:
        """The lowest block that a gradient must reach."""
        trained = (any(p.requires_grad for p in block) for block in self.stack.blocks)
        return next((n for n, found in enumerate(trained) if found), len(self.stack.blocks))

    def _sums(self, weights: Sequence[Tensor]) -> tuple[list[Tensor | None], list[bool]]:
        """Where the gradients of weights are summed, and whether they begin anew."""
        both = [sum_of(p, self.made) if p.requires_grad else (None, False) for p in weights]
        return [found for found, _ in both], [fresh for _, fresh in both]

    def _give_back(self) -> None:
        _spaces[(self.space.keep, *self.stack.key)] = self.space


def _pointers(found: Sequence[Tensor | None]) -> list[int | None]:
    return [None if sums is None else sums.data_ptr() for sums in found]


def _clear(found: Sequence[Tensor | None], fresh: Sequence[bool]) -> None:
    for sums, over in zip(found, fresh, strict=True):
        if sums is not None and over:
            sums.zero_()
