"""BERT computed by Luthier's own kernels, bfloat16 or int8: rows end to end, no padding at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from luthier.models import _fused_bert, _fused_int8
from luthier.models._body import Ids, Pooling, UnknownToKernelsError, Vectors
from luthier.models._fused_bert_network import embedded, stack_of
from luthier.models._fused_network import UnknownNetworkError


class FusedBody:
    """See ``_body.Body``.

    Args:
        network: A ``BertModel`` in bfloat16 on the CPU.
        int8: Compute the products with matrices in eight bits.

    Raises:
        ModelError: The kernels do not know it, or cannot run on this processor.
    """

    batch_tokens = 2048

    def __init__(self, network: Any, *, int8: bool = False) -> None:
        self.told = f"fused kernels, {'int8' if int8 else 'bfloat16'}"
        try:
            stack = stack_of(network)
            self._stack = _fused_int8.small(stack) if int8 else _fused_bert.packed(stack)
        except UnknownNetworkError as error:
            raise UnknownToKernelsError(
                f"the kernels cannot compute this encoder: {error}",
                where="encoder.runtime",
                mend="Leave `runtime` out, or take onnx or torch.",
            ) from error
        self._embeddings = network.embeddings

    def pooled(self, ids: Ids, pooling: Pooling, kinds: Ids | None = None) -> Vectors:
        """See ``_body.Body``."""
        import torch

        lengths = np.array([len(one) for one in ids], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        tokens = int(starts[-1])
        count = -(-tokens // _fused_bert.LINES) * _fused_bert.LINES
        flat, positions = np.zeros(count, np.int64), np.zeros(count, np.int64)
        flat[:tokens] = np.fromiter((i for one in ids for i in one), np.int64, tokens)
        positions[:tokens] = np.arange(tokens) - np.repeat(starts[:-1], lengths)
        with torch.inference_mode():
            words = self._embeddings.word_embeddings.weight
            x: Any = embedded(
                self._embeddings, words, torch.from_numpy(flat), torch.from_numpy(positions)
            )
            if kinds is not None and any(any(one) for one in kinds):
                x = self._with_kinds(x, kinds, tokens)
            states = _fused_bert.states(self._stack, x, torch.from_numpy(starts), training=False)
            if pooling == "first":
                first: Vectors = states[torch.from_numpy(starts[:-1])].float().numpy()
                return first
            whole = states[:tokens].float().numpy()
        summed = np.add.reduceat(whole, starts[:-1], axis=0)
        found: Vectors = (summed / lengths[:, None]).astype(np.float32)
        return found

    def _with_kinds(self, x: Any, kinds: Ids, tokens: int) -> Any:
        """What comes out of the embeddings, where tokens of the second text have their own."""
        import torch
        from torch.nn import functional

        kind = torch.zeros(len(x.ids), dtype=torch.long)
        kind[:tokens] = torch.tensor([i for one in kinds for i in one])
        words, places, types, gain, shift = x.weights
        summed = words[x.ids].float() + places[x.positions].float() + types[kind].float()
        eps = self._embeddings.LayerNorm.eps
        normed = functional.layer_norm(summed, summed.shape[1:], gain.float(), shift.float(), eps)
        return normed.bfloat16()
