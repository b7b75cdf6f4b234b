"""Networks that the kernels for BERT do not know are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertModel

from luthier.models._fused_bert_network import dropout, embedded, stack_of
from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError
from luthier.models.quantise import quantise


def body(**config: Any) -> Any:
    shape = {
        "vocab_size": 40,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        **config,
    }
    return BertModel(BertConfig(**shape)).bfloat16()


@pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")
def test_shape_and_weights_are_found() -> None:
    network = body()
    stack = stack_of(network)
    assert (stack.width, stack.inner, stack.heads) == (64, 96, 2)
    assert len(stack.blocks) == 1
    assert stack.blocks[0][5] is network.encoder.layer[0].output.dense.weight
    assert stack.blocks[0][10] is network.encoder.layer[0].intermediate.dense.bias
    assert stack.blocks[0][15] is network.encoder.layer[0].output.LayerNorm.bias


@pytest.mark.parametrize("shape", [{"num_attention_heads": 4}, {"hidden_act": "relu"}])
def test_other_shapes_are_refused(shape: dict[str, Any]) -> None:
    with pytest.raises(UnknownNetworkError):
        stack_of(body(**shape))


def test_other_layers_are_refused() -> None:
    network = body()
    network.encoder.layer[0].output.dense = torch.nn.Identity()
    with pytest.raises(UnknownNetworkError, match="Identity"):
        stack_of(network)
    with pytest.raises(UnknownNetworkError, match="8 or 4 bits"):
        stack_of(quantise(body(), "8bit"))
    adapted = get_peft_model(body(), LoraConfig(r=4, target_modules=["query"]))
    with pytest.raises(UnknownNetworkError, match="an adapter"):
        stack_of(adapted.get_base_model())


def test_other_arithmetic_is_refused() -> None:
    network, ids = body().float(), torch.zeros(32, dtype=torch.int64)
    with pytest.raises(UnknownNetworkError, match="bfloat16"):
        stack_of(network)
    with pytest.raises(UnknownNetworkError, match="bfloat16"):
        embedded(network.embeddings, network.embeddings.word_embeddings.weight, ids, ids)


def test_dropout_keeps_the_mean() -> None:
    assert (dropout(0.0, 3).least, dropout(0.0, 3).scale) == (0, 1.0)
    found = dropout(0.1, 3)
    assert (1 - found.least / 65536) * found.scale == pytest.approx(1.0, rel=1e-6)
    assert found.least / 65536 == pytest.approx(0.1, abs=1e-5)
