"""Products in eight bits are as near as eight bits can be, row by row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from luthier.models._body import load_body, open_body
from luthier.models._body_fused import FusedBody
from luthier.models._fused_bert_network import stack_of
from luthier.models._fused_int8 import small
from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError

pytestmark = pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")
ROWS = [[2, 4, 5, 3], [2, *range(4, 24), 3], [2, 6, 3]]


@pytest.fixture(scope="module")
def folder(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of width 128, 4 heads and an MLP of 192."""
    from transformers import BertConfig, BertModel

    made = tmp_path_factory.mktemp("even") / "encoder"
    shutil.copytree(tiny_encoder, made)
    torch.manual_seed(0)
    told = {"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 4}
    config = BertConfig.from_dict({**json.loads((made / "config.json").read_text()), **told})
    config.initializer_range = 0.1
    BertModel(config).save_pretrained(made)
    return made


def test_states_stay_near_float32_and_nearer_than_a_step_for_the_whole_batch(folder: Path) -> None:
    exact = open_body(folder, runtime="torch", precision="float32", device="cpu")
    body = open_body(folder, runtime="auto", precision="int8", device="cpu")
    assert isinstance(body, FusedBody)
    assert body.told == "fused kernels, int8"
    wanted, found = (b.pooled(ROWS, "mean") for b in (exact, body))
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1)
    assert (cosines / np.linalg.norm(wanted, axis=1)).min() > 0.995
    half = FusedBody(load_body(folder, "bfloat16")).pooled(ROWS, "mean")
    assert not np.array_equal(found, half)  # it did compute in eight bits


def test_a_row_is_the_same_in_any_batch(folder: Path) -> None:
    body = FusedBody(load_body(folder, "bfloat16"), int8=True)
    alone = np.concatenate([body.pooled([row], "first") for row in ROWS])
    np.testing.assert_allclose(body.pooled(ROWS, "first"), alone, atol=0.02)


def test_each_output_has_its_own_step(folder: Path) -> None:
    stack = stack_of(load_body(folder, "bfloat16"))
    packed, steps = small(stack).small[0][1], small(stack).small[0][5]
    weight = stack.blocks[0][3].float()
    torch.testing.assert_close(steps, weight.abs().amax(1) / 127, rtol=1e-5, atol=0)
    # block of 64 x 32, tile of 16 outputs, line of four rows: output 17, row 70
    value = packed.view(4, 2, 2, 16, 16, 4)[0, 1, 1, 1, 1, 2]
    assert int(value) == round(float(weight[17, 70] / steps[17]))


def test_sizes_that_do_not_fit_are_left_to_others(wide_encoder: Path) -> None:
    with pytest.raises(UnknownNetworkError, match="multiples of 64"):
        small(stack_of(load_body(wide_encoder, "bfloat16")))
