"""Loss and gradients of Llama-shaped networks by fused kernels, on processors with matrix tiles.

Rows lie end to end, without padding or masks. Of each block only what the backward pass needs is
kept: its input, the rotated queries, keys and values, the attention's output, the state between
attention and MLP, and the gates. Everything else is computed again, element by element.
Gradients of weights are summed in float32, straight into where the optimizer finds them
(``main_grad`` of a parameter that has this attribute).
"""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import torch
from torch import Tensor

from luthier.models._fused_head import Head
from luthier.models._fused_library import (
    ADD,
    STORE,
    SWIGLU,
    SWIGLU_BACKWARD,
    Attention,
    Ending,
    library,
)
from luthier.models._fused_linear import Group, Work
from luthier.models._fused_network import Block, Stack, UnknownNetworkError, gradient, stack_of

SPARE = 32  # rows behind the last that kernels may read


@dataclasses.dataclass(frozen=True, slots=True)
class Ragged:
    """Rows laid end to end.

    Attributes:
        ids: int64 [tokens], a multiple of 32; what is added is a row of its own.
        positions: int64 [tokens], within each row.
        starts: int64 [rows + 1], where each row begins, and the end.
        where: int64 [n], positions whose next token is predicted.
        targets: int64 [n], that token.
    """

    ids: Tensor
    positions: Tensor
    starts: Tensor
    where: Tensor
    targets: Tensor


def ragged(ids: Tensor, positions: Tensor, segments: Tensor, targets: Tensor) -> Ragged:
    """Packed sequences (see ``likelihood.nll``) without their padding."""
    kept = (segments >= 0).flatten()
    sequence = torch.arange(len(ids)).repeat_interleave(ids.shape[1])[kept]
    row = segments.flatten()[kept]
    spare = -len(row) % 32
    new = torch.ones(len(row), dtype=torch.bool)
    new[1:] = (row[1:] != row[:-1]) | (sequence[1:] != sequence[:-1])
    starts = torch.cat([new.nonzero()[:, 0], torch.tensor([len(row)])])
    if spare:
        starts = torch.cat([starts, torch.tensor([len(row) + spare])])
    wanted = targets.flatten()[kept]
    where = (wanted >= 0).nonzero()[:, 0]
    return Ragged(
        torch.cat([ids.flatten()[kept], torch.zeros(spare, dtype=torch.int64)]),
        torch.cat([positions.flatten()[kept], torch.arange(spare)]),
        starts,
        where,
        wanted[where],
    )


class Space:
    """Memory of one forward and backward pass, used again by the next.

    Args:
        stack: The network.
        tokens: At most in a pass.
        keep: What a backward pass needs; else each block writes over what the last one left.
    """

    def __init__(self, stack: Stack, tokens: int, *, keep: bool) -> None:
        self.tokens, self.keep = tokens, keep
        width, inner, sides, mixed = stack.width, stack.inner, stack.sides, stack.mixed
        groups = [g for b in stack.blocks for g in b.groups]
        rank = max((g.rank for g in groups), default=0)
        packed = max((g.outer + g.rank) * (g.inner + g.rank) for g in groups)
        widest = max(2 * inner, sides) + rank if keep else 0
        self.work = Work(library()[0], tokens, widest, packed)
        count, rows = len(stack.blocks) if keep else 1, tokens + SPARE
        self.states = _empty(count + 1, tokens, width)  # two at least: a block's input and output
        self.sides = _empty(count, rows, sides).zero_()
        self.mixed = _empty(count, rows, mixed + rank)
        self.between = _empty(count, tokens, width)
        self.gates = _empty(count, tokens, 2 * inner + rank)
        self.log_sums = torch.empty(count, stack.heads, tokens)
        self.rstd = torch.empty(2, count, tokens)
        self.normed = _empty(tokens, width + rank)
        self.active = _empty(tokens, inner + rank)
        if not keep:
            return
        self.slope = _empty(tokens, width + rank)
        self.to_inner = _empty(rows, max(width, mixed) + rank).zero_()
        self.to_sides = _empty(rows, sides + rank)

    def place(self, number: int) -> int:
        """Where a block's values are."""
        return number if self.keep else 0

    def state(self, number: int) -> Tensor:
        """The input of a block."""
        return self.states[number if self.keep else number % 2]


_spaces: dict[tuple[Any, ...], list[Space]] = {}


def release() -> None:
    """Give memory of passes that are over back."""
    _spaces.clear()


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16)


def refusal(network: Any) -> str:
    """Why the kernels do not fit a network here; nothing if they do."""
    try:
        stack_of(network)
    except UnknownNetworkError as error:
        return str(error)
    return ""


def losses(
    network: Any,
    ids: Tensor,
    positions: Tensor,
    segments: Tensor,
    targets: Tensor,
    smoothing: float = 0.0,
) -> Tensor | None:
    """Cross-entropies (nats) of the wanted tokens, float32 [n]; None if no kernels fit.

    Args: See ``likelihood.nll``.
    """
    try:
        stack = stack_of(network)
    except UnknownNetworkError:
        return None
    batch = ragged(ids, positions, segments, targets)
    if not torch.is_grad_enabled():
        space = _take(stack, len(batch.ids), keep=False)
        found = Run(stack, space, batch, smoothing).forward()
        _give_back(stack, space)
        return found
    fused: Tensor = FusedLosses.apply(stack, batch, smoothing, *stack.parameters)  # type: ignore[no-untyped-call]
    return fused


def _take(stack: Stack, tokens: int, *, keep: bool) -> Space:
    free = _spaces.setdefault((keep, *stack.key), [])
    for number, space in enumerate(free):
        if space.tokens >= tokens:
            return free.pop(number)
    free.clear()  # too small: make room before there is a larger one
    with torch.inference_mode(False):  # a measurement may come first, and training after it
        return Space(stack, -(-tokens // 256) * 256, keep=keep)


def _give_back(stack: Stack, space: Space) -> None:
    _spaces[(space.keep, *stack.key)] = [space]  # one is enough but where two passes overlap


class FusedLosses(torch.autograd.Function):
    """Cross-entropies of a batch of rows."""

    @staticmethod
    def forward(
        ctx: Any, stack: Stack, batch: Ragged, smoothing: float, *parameters: Tensor
    ) -> Tensor:
        """Compute the losses, and keep what the gradients need.

        Args:
            ctx: Keeps it.
            stack: The network.
            batch: Rows.
            smoothing: Share of each target spread evenly over the vocabulary.
            parameters: Those of the network that want gradients.

        Returns:
            float32 [n] (nats).
        """
        ctx.run, ctx.parameters = (
            Run(stack, _take(stack, len(batch.ids), keep=True), batch, smoothing),
            parameters,
        )
        found: Tensor = ctx.run.forward()
        return found

    @staticmethod
    def backward(ctx: Any, factors: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the parameters; those with ``main_grad`` have got theirs."""
        run, ctx.run = ctx.run, None
        if run is None:
            raise RuntimeError("the backward pass of fused losses can be made once")
        run.backward(factors)
        _give_back(run.stack, run.space)
        grads = [run.made.get(id(p)) for p in ctx.parameters]
        own = zip(grads, ctx.parameters, strict=True)
        return None, None, None, *(None if g is None else g.to(p.dtype) for g, p in own)


class Run:
    """One forward and backward pass.

    Args:
        stack: The network.
        space: Memory; this pass's alone until it is over.
        batch: Rows.
        smoothing: Share of each target spread evenly over the vocabulary.
    """

    def __init__(self, stack: Stack, space: Space, batch: Ragged, smoothing: float = 0.0) -> None:
        self.stack, self.space, self.batch = stack, space, batch
        self.tokens = len(batch.ids)
        self.library = space.work.library
        parts = (stack.head, stack.norm, stack.eps, batch.targets)
        self.head = Head(self.library, *parts, smoothing)
        cosines, sines = stack.angles(int(batch.positions.max()) + 1)
        self.angles = (batch.positions, cosines, sines)
        self.made: dict[int, Tensor] = {}

    def forward(self) -> Tensor:
        """Losses (nats) of the targets."""
        space, ids = self.space, self.batch.ids
        space.state(0)[: self.tokens] = self.stack.embeddings.detach()[ids]
        for number, block in enumerate(self.stack.blocks):
            for group in block.groups:
                group.prepare()
            self._attend(number, block)
            self._transform(number, block)
        last = space.state(len(self.stack.blocks))
        return self.head.forward(last[: self.tokens][self.batch.where])

    def _attend(self, number: int, block: Block) -> None:
        """The sum of x and attention(norm(x))."""
        space, stack, at = self.space, self.stack, self.space.place(number)
        sides, mixed, x = space.sides[at], space.mixed[at], space.state(number)
        self._norm(x, block.first_norm, space.rstd[0, at])
        self._forward(block.sides, space.normed, Ending(STORE, sides.data_ptr(), stack.sides))
        self._rotate(sides, 1.0)
        shape = self._attention(mixed, mixed, sides)
        pointers = (sides.data_ptr(), mixed.data_ptr(), space.log_sums[at].data_ptr())
        self.library.attention(ctypes.addressof(shape), *pointers)
        to = space.between[at].data_ptr()
        self._forward(block.out, mixed, Ending(ADD, to, stack.width, x.data_ptr()))

    def _transform(self, number: int, block: Block) -> None:
        """The sum of x and down(silu(gate(norm(x))) * up(norm(x)))."""
        space, stack, at = self.space, self.stack, self.space.place(number)
        between, to = space.between[at], space.state(number + 1).data_ptr()
        self._norm(between, block.second_norm, space.rstd[1, at])
        self._forward(block.gates, space.normed, self._gates(SWIGLU, at))
        self._forward(block.down, space.active, Ending(ADD, to, stack.width, between.data_ptr()))

    def backward(self, factors: Tensor) -> None:
        """Add the gradients of the losses times ``factors`` to those of the parameters."""
        space, stack = self.space, self.stack
        slope = space.slope[: self.tokens, : stack.width].zero_()
        to_head = self._sum(stack.head) if stack.head.requires_grad else None
        to_norm = self._sum(stack.norm) if stack.norm.requires_grad else None
        slope[self.batch.where] = self.head.backward(factors, to_head, to_norm)
        for number in reversed(range(stack.lowest, len(stack.blocks))):
            block = stack.blocks[number]
            self._transform_backward(number, block)
            self._attend_backward(number, block)
        if stack.embeddings.requires_grad:
            whole = slope.contiguous()
            pointers = (whole.data_ptr(), self.batch.ids.data_ptr())
            to = self._sum(stack.embeddings).data_ptr()
            self.library.add_rows(*pointers, to, self.tokens, stack.width)

    def _transform_backward(self, number: int, block: Block) -> None:
        space = self.space
        gates, active, between = space.gates[number], space.active, space.between[number]
        ending = self._gates(SWIGLU_BACKWARD, number)  # gates become their gradients
        space.work.backward(block.down, space.slope, self.tokens, ending)
        self._gradients(block.down, active, space.slope)
        self._norm(between, block.second_norm, space.rstd[1, number])
        self._to_inner(block.gates, gates)
        self._gradients(block.gates, space.normed, gates)
        self._norm_backward(between, block.second_norm, space.rstd[1, number])

    def _attend_backward(self, number: int, block: Block) -> None:
        space, states = self.space, self.space.states[number]
        sides, mixed, to_sides = space.sides[number], space.mixed[number], space.to_sides
        self._to_inner(block.out, space.slope)
        self._gradients(block.out, mixed, space.slope)
        shape = self._attention(mixed, space.to_inner, to_sides)
        self.library.attention_backward(
            ctypes.addressof(shape),
            sides.data_ptr(),
            mixed.data_ptr(),
            space.log_sums[number].data_ptr(),
            space.to_inner.data_ptr(),
            to_sides.data_ptr(),
        )
        self._rotate(to_sides, -1.0)
        self._norm(states, block.first_norm, space.rstd[0, number])
        self._to_inner(block.sides, to_sides)
        self._gradients(block.sides, space.normed, to_sides)
        self._norm_backward(states, block.first_norm, space.rstd[0, number])

    def _sum(self, parameter: Tensor) -> Tensor:
        return gradient(parameter, self.made)

    def _forward(self, group: Group, x: Tensor, ending: Ending) -> None:
        self.space.work.forward(group, x, self.tokens, ending)

    def _to_inner(self, group: Group, slope: Tensor) -> None:
        """Gradient by a group's input."""
        to = self.space.to_inner
        ending = Ending(STORE, to.data_ptr(), to.stride(0))
        self.space.work.backward(group, slope, self.tokens, ending)

    def _gradients(self, group: Group, x: Tensor, slope: Tensor) -> None:
        if group.trained:
            self.space.work.low_input(group, x, self.tokens)
            self.space.work.gradients(group, x, slope, self.tokens, self._sum)

    def _gates(self, kind: int, number: int) -> Ending:
        gates, active = self.space.gates[number], self.space.active
        at, ld = gates.data_ptr(), gates.stride(0)
        return Ending(kind, at, ld, None, active.data_ptr(), active.stride(0), at)

    def _attention(self, out: Tensor, slope: Tensor, grad: Tensor) -> Attention:
        stack, starts = self.stack, self.batch.starts
        return Attention(
            starts.data_ptr(),
            len(starts) - 1,
            self.space.tokens,
            stack.heads,
            stack.kv_heads,
            stack.size,
            stack.sides,
            out.stride(0),
            slope.stride(0),
            grad.stride(0),
            stack.scale,
        )

    def _rotate(self, sides: Tensor, sign: float) -> None:
        stack, ld = self.stack, sides.stride(0)
        pointers = (t.data_ptr() for t in self.angles)
        heads = stack.heads + stack.kv_heads
        self.library.rotate(sides.data_ptr(), ld, *pointers, self.tokens, heads, stack.size, sign)

    def _norm(self, x: Tensor, gain: Tensor, rstd: Tensor) -> None:
        to, width = self.space.normed, self.stack.width
        pointers = (x.data_ptr(), gain.data_ptr(), to.data_ptr())
        self.library.rms_norm(
            *pointers, to.stride(0), rstd.data_ptr(), self.tokens, width, self.stack.eps
        )

    def _norm_backward(self, x: Tensor, gain: Tensor, rstd: Tensor) -> None:
        """Through a norm; the gradient that flows past it is added."""
        slope, to, width = self.space.to_inner, self.space.slope, self.stack.width
        gains = torch.zeros(torch.get_num_threads(), width)
        pointers = (x.data_ptr(), gain.data_ptr(), rstd.data_ptr(), to.data_ptr())
        self.library.rms_norm_backward(
            slope.data_ptr(),
            slope.stride(0),
            *pointers,
            to.stride(0),
            gains.data_ptr(),
            self.tokens,
            width,
        )
        if gain.requires_grad:
            self._sum(gain).add_(gains.sum(0))
