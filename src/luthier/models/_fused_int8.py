"""BERT's matrices in eight bits, for the kernels that only compute states; see ``bert_int8.c``.

Each output of a matrix has its own step, and so has each token of what it multiplies: a row's state
does not depend on what else is computed with it.
"""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from luthier.models._fused_bert_network import Call, Stack
from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError

_PARTS = (slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6))  # side by side, out, up, down


class Small(ctypes.Structure):
    """A block's matrices, and memory for any block: int8 [tokens, inner], float32 [tokens].

    See ``bert_int8.h``.
    """

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
        kernels.bert_pack_int8(ctypes.byref(call), ctypes.byref(told(packed, steps)))
        made.append((*packed, *steps))
    return dataclasses.replace(stack, small=tuple(made))


def told(packed: Sequence[Tensor], steps: Sequence[Tensor]) -> Small:
    """What the kernels are told of a block's matrices; its memory is still to be named."""
    made = Small()
    made.packed[:] = [p.data_ptr() for p in packed]
    made.steps[:] = [s.data_ptr() for s in steps]
    return made
