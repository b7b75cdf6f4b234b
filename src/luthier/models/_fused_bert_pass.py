"""One state for each row of tokens, by one call of the kernels; see ``_fused_c/bert_pass.c``.

It is for weights that stay as they are: their matrices are packed before. What the call needs is
made once and used again, so that a single question costs little more than its arithmetic.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from luthier.models._body import Ids, Pooling, Vectors
from luthier.models._fused_bert import LINES, Space
from luthier.models._fused_bert_network import Call, EmbedCall, Stack, dropout, embedding_weights
from luthier.models._fused_int8 import Small, told
from luthier.models._fused_library import library

_STEP = 256  # tokens by which memory grows
_LONG, _POINTER = ctypes.c_long, ctypes.c_void_p


class _Pass(ctypes.Structure):
    """See ``bert_pass.c``."""

    _fields_ = (
        *((name, _LONG) for name in ("count", "rows", "tokens", "mean")),
        *((name, _POINTER) for name in ("blocks", "embed", "small", "positions", "pooled")),
    )


class _Memory:
    """What one pass at a time writes to, and what the kernels are told of it."""

    def __init__(self, stack: Stack, weights: tuple[Any, ...], tokens: int) -> None:
        self.tokens = tokens
        self._space = space = Space(stack, tokens, keep=False)
        self.ids = np.zeros(tokens, np.int64)
        self.kinds = np.zeros(tokens, np.int64)
        self._positions = np.zeros(tokens, np.int64)
        self._bytes = np.empty(tokens * stack.inner if stack.small else 0, np.int8)
        self._steps = np.empty(tokens, np.float32)
        self._blocks = (Call * len(stack.blocks))(*space.calls)
        nothing: list[tuple[Any, ...]] = [()] * len(stack.blocks)
        ready = stack.ready or nothing
        for call, own, packed in zip(self._blocks, stack.blocks, ready, strict=True):
            call.weights[:] = [p.data_ptr() for p in own]
            call.ready[:] = [p.data_ptr() for p in packed] or [None] * 4
            call.hidden = call.attention = dropout(0.0, 0)
            call.bare = 1
        self._small = (Small * len(stack.small))(*(told(one[:4], one[4:]) for one in stack.small))
        for small in self._small:
            small.quantised, small.rows = self._bytes.ctypes.data, self._steps.ctypes.data
        self._embed = EmbedCall(
            width=stack.width,
            ids=self.ids.ctypes.data,
            positions=self._positions.ctypes.data,
            eps=stack.eps,
            dropout=dropout(0.0, 0),
            normed=space.normed.data_ptr(),
            y=space.states[0].data_ptr(),
            rstd=space.rstd.data_ptr(),
        )
        self._embed.weights[:] = [p.data_ptr() for p in weights]
        self._pass = _Pass(
            count=len(stack.blocks),
            blocks=ctypes.addressof(self._blocks),
            embed=ctypes.addressof(self._embed),
            small=ctypes.addressof(self._small) if stack.small else None,
            positions=self._positions.ctypes.data,
        )

    def run(
        self, starts: npt.NDArray[np.int64], pooled: Vectors, *, mean: bool, kinds: bool
    ) -> None:
        """One pass over what stands in ``ids``, and in ``kinds`` where they are told."""
        call = self._pass
        call.rows, call.mean, call.pooled = len(pooled), mean, pooled.ctypes.data
        call.tokens = -(-int(starts[-1]) // LINES) * LINES
        self._embed.kinds = self.kinds.ctypes.data if kinds else None
        library()[0].bert_pass(ctypes.byref(call), _POINTER(starts.ctypes.data))


class Passes:
    """Passes of one network; several threads may compute at once.

    Args:
        stack: Its blocks, packed by ``_fused_bert.packed`` or ``_fused_int8.small``.
        embeddings: Its ``BertEmbeddings``.

    Raises:
        UnknownNetworkError: Embeddings that the kernels do not know.
    """

    def __init__(self, stack: Stack, embeddings: Any) -> None:
        self._stack = stack
        self._weights = embedding_weights(embeddings, embeddings.word_embeddings.weight)
        self._spare: list[_Memory] = []

    def pooled(self, ids: Ids, pooling: Pooling, kinds: Ids | None = None) -> Vectors:
        """As ``_body.Body.pooled``."""
        starts = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(one) for one in ids], out=starts[1:])
        memory = self._memory(int(starts[-1]))
        at = starts.tolist()
        for row, one in enumerate(ids):
            memory.ids[at[row] : at[row + 1]] = one
        for row, one in enumerate(kinds or ()):
            memory.kinds[at[row] : at[row + 1]] = one
        found = np.empty((len(ids), self._stack.width), np.float32)
        memory.run(starts, found, mean=pooling == "mean", kinds=kinds is not None)
        self._spare.append(memory)
        return found

    def _memory(self, tokens: int) -> _Memory:
        try:
            memory = self._spare.pop()
        except IndexError:
            memory = None
        if memory is not None and memory.tokens >= tokens:
            return memory
        return _Memory(self._stack, self._weights, -(-tokens // _STEP) * _STEP)
