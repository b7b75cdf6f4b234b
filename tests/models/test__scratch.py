"""Each architecture made from scratch is what its name says, of the shape asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import masked_vocabulary, vocabulary

from luthier.models.folder import facts
from luthier.models.load import Architecture, ScratchSpec, load_network, new, save

SHAPE = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}


@pytest.mark.parametrize(
    ("architecture", "named"),
    [("llama", "LlamaForCausalLM"), ("gpt2", "GPT2LMHeadModel"), ("bert", "BertForMaskedLM")],
)
def test_a_new_model_has_its_shape_and_comes_back(
    tmp_path: Path, architecture: Architecture, named: str
) -> None:
    tokenizer = masked_vocabulary() if architecture == "bert" else vocabulary()
    spec = ScratchSpec(architecture=architecture, **SHAPE)  # type: ignore[arg-type]
    model = new(spec, tokenizer, seed=1)
    save(model, tmp_path)
    told = facts(tmp_path)
    assert (told["architecture"], told["layers"], told["hidden_size"]) == (named, 3, 24)
    assert told["context_length"] == 64
    # every token has a number, and the matrices have the size that tiles want
    assert told["vocab_size"] % 32 == 0
    assert len(tokenizer) <= told["vocab_size"] < len(tokenizer) + 32
    head = "masked" if architecture == "bert" else "causal"
    again = load_network(tmp_path, head=head)
    ids = torch.tensor([tokenizer("A violin.")["input_ids"]])
    with torch.inference_mode():
        wanted, found = (m.network.eval()(input_ids=ids).logits for m in (model, again))
        same = new(spec, tokenizer, seed=1).network.eval()(input_ids=ids).logits
        other = new(spec, tokenizer, seed=2).network.eval()(input_ids=ids).logits
    assert torch.equal(wanted, found)
    assert torch.equal(wanted, same)
    assert not torch.equal(wanted, other)


def test_nothing_drops_out() -> None:
    for architecture in ("llama", "gpt2", "bert"):
        tokenizer = masked_vocabulary() if architecture == "bert" else vocabulary()
        spec = ScratchSpec(architecture=architecture, **SHAPE)  # type: ignore[arg-type]
        network = new(spec, tokenizer, seed=1).network.train()
        dropouts = [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)]
        assert not any(dropouts)
