"""PyTorch's states are those of transformers' own network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from luthier.models._body_torch import TorchBody


def test_padding_changes_nothing_and_pooling_is_what_it_says(tiny_encoder: Path) -> None:
    import torch
    from transformers import BertModel

    ids = [[2, 5, 6, 3], [2, 7, 3]]
    body = TorchBody(tiny_encoder, "float32", "cpu")
    network = BertModel.from_pretrained(tiny_encoder).eval()
    with torch.no_grad():
        states = [network(torch.tensor([one])).last_hidden_state[0].numpy() for one in ids]
    mean = np.stack([one.mean(0) for one in states])
    np.testing.assert_allclose(body.pooled(ids, "mean"), mean, atol=1e-6)
    first = np.stack([one[0] for one in states])
    np.testing.assert_allclose(body.pooled(ids, "first"), first, atol=1e-6)
