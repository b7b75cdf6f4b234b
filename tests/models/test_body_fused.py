"""Kernels with weights packed once give what those that pack at each pass give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from luthier.models import _fused_bert
from luthier.models._body import load_body
from luthier.models._body_fused import FusedBody
from luthier.models._fused_bert_network import embedded, stack_of
from luthier.models._fused_library import library

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")


def test_packed_weights_give_the_same_bits(wide_encoder: Path) -> None:
    network = load_body(wide_encoder, "bfloat16")
    ids, starts = torch.arange(64) % 20, torch.tensor([0, 30, 50])
    words = network.embeddings.word_embeddings.weight
    with torch.inference_mode():
        x = embedded(network.embeddings, words, ids, torch.arange(64) % 30)
        plain = _fused_bert.states(stack_of(network), x, starts, training=False)
        packed = _fused_bert.packed(stack_of(network))
        found = _fused_bert.states(packed, x, starts, training=False)
        again = _fused_bert.states(stack_of(network), x, starts, training=False)
    assert torch.equal(plain[:50], found[:50])
    assert torch.equal(plain[:50], again[:50])  # a pass after it packs for itself again


def test_a_row_is_the_same_in_any_batch(wide_encoder: Path) -> None:
    body = FusedBody(load_body(wide_encoder, "bfloat16"))
    rows = [[2, 4, 5, 3], [2, *range(4, 24), 3], [2, 6, 3]]
    together = body.pooled(rows, "mean")
    alone = np.concatenate([body.pooled([row], "mean") for row in rows])
    np.testing.assert_allclose(together, alone, atol=0.02)
