"""BERT computed by Luthier's own kernels, bfloat16 or int8: rows end to end, no padding at all."""

from __future__ import annotations

from typing import Any

from luthier.models import _fused_bert, _fused_int8
from luthier.models._body import Ids, Pooling, UnknownToKernelsError, Vectors
from luthier.models._fused_bert_network import stack_of
from luthier.models._fused_bert_pass import Passes
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
            ready = _fused_int8.small(stack) if int8 else _fused_bert.packed(stack)
            self._passes = Passes(ready, network.embeddings)
        except UnknownNetworkError as error:
            raise UnknownToKernelsError(
                f"the kernels cannot compute this encoder: {error}",
                where="encoder.runtime",
                mend="Leave `runtime` out, or take onnx or torch.",
            ) from error

    def pooled(self, ids: Ids, pooling: Pooling, kinds: Ids | None = None) -> Vectors:
        """See ``_body.Body``."""
        return self._passes.pooled(ids, pooling, kinds)
