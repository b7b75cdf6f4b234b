"""BERT's matrices in eight bits, for the kernels that only compute states; see ``bert_int8.c``.

Each output of a matrix has its own step, and so has each token of what it multiplies: a row's state
does not depend on what else is computed with it.
"""

from __future__ import annotations

import ctypes
import dataclasses

import torch
from torch import Tensor

from luthier.models._fused_bert_network import Call, Stack
from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError

_PARTS = (slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6))  # side by side, out, up, down


class Small(ctypes.Structure):
    """See ``bert_int8.h``."""

    _fields_ = (
        ("packed", ctypes.c_void_p * 4),
        ("steps", ctypes.c_void_p * 4),
        ("quantised", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
    )


def small(stack: Stack) -> Stack:
    """The same network with its matrices in eight bits.

    Raises:
        UnknownNetworkError: Its sizes are no multiples of 64, or the kernels are not there.
    """
    kernels, reason = library()
    if kernels is None or not hasattr(kernels, "bert_pack_int8"):
        raise UnknownNetworkError(reason or "this processor has no tiles of 8 bits")
    if stack.width % 64 or stack.inner % 64:
        raise UnknownNetworkError("sizes that are no multiples of 64")
    made = []
    for weights in stack.blocks:
        parts = [weights[part] for part in _PARTS]
        packed = [torch.empty(sum(p.numel() for p in part), dtype=torch.int8) for part in parts]
        steps = [torch.empty(sum(len(p) for p in part)) for part in parts]
        call = Call(width=stack.width, inner=stack.inner)
        call.weights[:] = [p.data_ptr() for p in weights]
        kernels.bert_pack_int8(ctypes.byref(call), ctypes.byref(_told(packed, steps)))
        made.append((*packed, *steps))
    return dataclasses.replace(stack, small=tuple(made))


def forward(call: Call, weights: tuple[Tensor, ...], memory: tuple[Tensor, Tensor]) -> None:
    """One block.

    Args:
        call: As for ``bert_forward``.
        weights: Of the block, as `small` made them.
        memory: int8 [tokens, inner] and float32 [tokens], for any block.
    """
    told = _told(weights[:4], weights[4:])
    told.quantised, told.rows = (part.data_ptr() for part in memory)
    library()[0].bert_forward_int8(ctypes.byref(call), ctypes.byref(told))


def _told(
    packed: tuple[Tensor, ...] | list[Tensor], steps: tuple[Tensor, ...] | list[Tensor]
) -> Small:
    told = Small()
    told.packed[:] = [p.data_ptr() for p in packed]
    told.steps[:] = [s.data_ptr() for s in steps]
    return told
