"""Networks with random weights, one for each architecture that can be made from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import transformers

if TYPE_CHECKING:
    from luthier.models.load import ScratchSpec

_TILE = 32


def network(spec: ScratchSpec, tokenizer: Any) -> Any:
    """A network of transformers in float32; torch's generator decides its weights.

    Its vocabulary is rounded up to a multiple of 32, as the tiles of processors want it; no token
    has the last numbers, and the network soon gives them no weight.

    Args:
        spec: Its shape.
        tokenizer: Decides the vocabulary and the special tokens.
    """
    config = settings(
        spec,
        vocab_size=-(-len(tokenizer) // _TILE) * _TILE,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return getattr(transformers, config.architectures[0])(config)


def settings(spec: ScratchSpec, **ids: Any) -> Any:
    """The configuration of transformers that such a network has.

    Args:
        spec: Its shape.
        ids: Entries of the vocabulary (``vocab_size``), and its special tokens.
    """
    ids.setdefault("vocab_size", spec.vocab_size)
    match spec.architecture:
        case "llama":
            return transformers.LlamaConfig(
                **ids,
                architectures=["LlamaForCausalLM"],
                hidden_size=spec.hidden_size,
                intermediate_size=spec.intermediate_size,
                num_hidden_layers=spec.num_hidden_layers,
                num_attention_heads=spec.num_attention_heads,
                num_key_value_heads=spec.num_attention_heads,
                max_position_embeddings=spec.max_position_embeddings,
                tie_word_embeddings=True,
            )
        case "gpt2":
            return transformers.GPT2Config(
                **ids,
                architectures=["GPT2LMHeadModel"],
                n_embd=spec.hidden_size,
                n_inner=spec.intermediate_size,
                n_layer=spec.num_hidden_layers,
                n_head=spec.num_attention_heads,
                n_positions=spec.max_position_embeddings,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                resid_pdrop=0.0,
            )
        case "bert":
            return transformers.BertConfig(
                **ids,
                architectures=["BertForMaskedLM"],
                hidden_size=spec.hidden_size,
                intermediate_size=spec.intermediate_size,
                num_hidden_layers=spec.num_hidden_layers,
                num_attention_heads=spec.num_attention_heads,
                max_position_embeddings=spec.max_position_embeddings,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        case _:
            assert_never(spec.architecture)
