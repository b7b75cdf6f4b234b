"""A network computed by PyTorch: every architecture, on a CPU or a GPU."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from luthier.models._body import (
    Ids,
    Pooling,
    Precision,
    Vectors,
    bfloat16_is_native,
    load_body,
    mean_of,
    padded,
)


class TorchBody:
    """See ``_body.Body``; the network is loaded when it first computes.

    Args:
        folder: A model folder.
        precision: ``auto`` takes bfloat16 where the processor computes with it natively.
        device: A torch device; by default a GPU if there is one.
    """

    def __init__(self, folder: Path, precision: Precision, device: str | None = None) -> None:
        import torch

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        half = precision == "bfloat16" or (precision == "auto" and bfloat16_is_native(self.device))
        self._folder, self._half = folder, half
        self.told = f"PyTorch, {'bfloat16' if half else 'float32'}"
        self.batch_tokens = 4096 if self.device == "cpu" else 65536

    @functools.cached_property
    def _network(self) -> Any:
        return load_body(self._folder, "bfloat16" if self._half else "float32").to(self.device)

    def pooled(self, ids: Ids, pooling: Pooling, kinds: Ids | None = None) -> Vectors:
        """See ``_body.Body``."""
        import torch

        network = self._network
        tokens = torch.from_numpy(padded(ids, int(network.config.pad_token_id or 0)))
        lengths = torch.tensor([len(one) for one in ids])
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long().to(self.device)
        inputs = {"input_ids": tokens.to(self.device), "attention_mask": mask}
        if kinds is not None:
            inputs["token_type_ids"] = torch.from_numpy(padded(kinds, 0)).to(self.device)
        with torch.inference_mode():
            states = network(**inputs).last_hidden_state.float()
            found = states[:, 0] if pooling == "first" else mean_of(states, mask)
            vectors: Vectors = found.cpu().numpy()
        return vectors
