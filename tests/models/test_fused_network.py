"""Networks the kernels do not know are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model

from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError, gradient, stack_of
from luthier.models.quantise import Quantisation, quantise


def network(**config: Any) -> Any:
    shape = {
        "vocab_size": 320,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        **config,
    }
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape)).bfloat16()


@pytest.mark.skipif(library()[0] is None, reason=f"NOT TESTED: {library()[1]}")
def test_the_shape_is_read() -> None:
    stack = stack_of(network())
    assert (stack.width, stack.inner, stack.size, stack.sides) == (64, 96, 32, 128)
    assert stack.lowest == 0
    cosines, sines = stack.angles(5)
    assert cosines.shape == sines.shape == (5, 16)
    torch.testing.assert_close(cosines[1, 0], torch.tensor(1.0).cos())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"vocab_size": 321}, "multiples of 32"),
        ({"hidden_act": "gelu"}, "activation"),
        ({"attention_bias": True}, "a bias"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, "length"),
    ],
)
def test_other_shapes_are_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownNetworkError, match=reason):
        stack_of(network(**changed))


def test_other_architectures_are_refused() -> None:
    config = transformers.GPT2Config(n_embd=64, n_layer=1, n_head=2, vocab_size=320)
    with pytest.raises(UnknownNetworkError, match="GPT2LMHeadModel"):
        stack_of(transformers.GPT2LMHeadModel(config))


def test_float32_is_refused() -> None:
    with pytest.raises(UnknownNetworkError, match="bfloat16"):
        stack_of(network().float())


def test_what_watches_a_layer_is_not_passed_over() -> None:
    watched = network()
    watched.model.layers[0].mlp.register_forward_hook(lambda *_: None)
    with pytest.raises(UnknownNetworkError, match="watches"):
        stack_of(watched)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"lora_dropout": 0.1}, "dropout"), ({"use_dora": True}, "another kind")],
)
def test_adapters_of_another_kind_are_refused(changed: dict[str, Any], reason: str) -> None:
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **changed)
    adapted = get_peft_model(network(), config)
    adapted.train()
    with pytest.raises(UnknownNetworkError, match=reason):
        stack_of(adapted)


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_a_quantised_base_is_named(bits: Quantisation) -> None:
    network_in_bits = quantise(network(), bits)
    with pytest.raises(UnknownNetworkError, match="8 or 4 bits"):
        stack_of(network_in_bits)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    with pytest.raises(UnknownNetworkError, match="8 or 4 bits"):
        stack_of(get_peft_model(network_in_bits, config))


def test_a_gradient_is_summed_where_the_parameter_says() -> None:
    told, plain = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2))
    told.main_grad = None  # type: ignore[attr-defined]
    made: dict[int, torch.Tensor] = {}
    assert gradient(told, made) is gradient(told, made) is told.main_grad  # type: ignore[attr-defined]
    assert not made
    assert gradient(plain, made) is gradient(plain, made) is made[id(plain)]
