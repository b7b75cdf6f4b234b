"""One call over packed weights gives what the kernels of training give, block by block."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from luthier.models import _fused_bert
from luthier.models._body import load_body
from luthier.models._fused_bert_network import embedded, stack_of
from luthier.models._fused_bert_pass import Passes
from luthier.models._fused_library import library

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")

ROWS = [[2, *range(4, 20), 3], [2, 5, 3], [2, *([7, 8, 9] * 12), 3]]  # long, short, over 32


@pytest.fixture(scope="module")
def network(wide_encoder: Path) -> Any:
    return load_body(wide_encoder, "bfloat16")


def passes(network: Any) -> Passes:
    return Passes(_fused_bert.packed(stack_of(network)), network.embeddings)


def block_by_block(network: Any, x: Any) -> list[torch.Tensor]:
    starts = np.cumsum([0, *map(len, ROWS)])
    with torch.inference_mode():
        states = _fused_bert.states(
            stack_of(network), x, torch.from_numpy(starts), training=False
        ).float()
    return [states[a:b] for a, b in itertools.pairwise(starts)]


def test_the_same_bits_as_block_by_block(network: Any) -> None:
    count = -(-sum(map(len, ROWS)) // 32) * 32
    flat, places = torch.zeros(count, dtype=torch.long), torch.zeros(count, dtype=torch.long)
    flat[: sum(map(len, ROWS))] = torch.tensor([i for row in ROWS for i in row])
    places[: sum(map(len, ROWS))] = torch.tensor([i for row in ROWS for i in range(len(row))])
    words = network.embeddings.word_embeddings.weight
    rows = block_by_block(network, embedded(network.embeddings, words, flat, places))
    made = passes(network)
    for _ in range(2):  # memory that was used once is used again
        first = made.pooled(ROWS, "first")
        assert np.array_equal(first, np.stack([row[0].numpy() for row in rows]))
        mean = made.pooled(ROWS, "mean")
        np.testing.assert_allclose(mean, np.stack([row.mean(0).numpy() for row in rows]), atol=1e-5)


def test_tokens_of_the_second_text_have_their_own_embedding(network: Any) -> None:
    kinds = [[int(i > len(row) // 2) for i in range(len(row))] for row in ROWS]
    flat = torch.tensor([i for row in ROWS for i in row])
    with torch.inference_mode():
        parts = network.embeddings
        summed = parts.word_embeddings.weight[flat].float()
        summed += parts.position_embeddings.weight[[i for r in ROWS for i in range(len(r))]].float()
        summed += parts.token_type_embeddings.weight[[k for own in kinds for k in own]].float()
        norm = parts.LayerNorm
        gain, shift = norm.weight.float(), norm.bias.float()
        x = functional.layer_norm(summed, summed.shape[1:], gain, shift, norm.eps).bfloat16()
        x = torch.cat([x, torch.zeros(-len(x) % 32, x.shape[1], dtype=torch.bfloat16)])
    rows = block_by_block(network, x)
    made = passes(network)
    found = made.pooled(ROWS, "mean", kinds)
    np.testing.assert_allclose(found, np.stack([r.mean(0).numpy() for r in rows]), atol=0.02)
    plain = made.pooled(ROWS, "mean")
    assert np.abs(found - plain).max() > 0.02
    assert np.array_equal(plain, made.pooled(ROWS, "mean", [[0] * len(row) for row in ROWS]))


def test_threads_do_not_write_into_each_others_memory(network: Any) -> None:
    made = passes(network)
    alone = [made.pooled([row], "mean") for row in ROWS]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: made.pooled([ROWS[i % 3]], "mean"), range(60)))
    for i, one in enumerate(found):
        assert np.array_equal(one, alone[i % 3])
