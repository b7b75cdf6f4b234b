"""Virtual tokens: what prefix and prompt tuning put before every text.

Both come to the same: keys and values of a few positions that every token may look at. Of a
prefix they are learned (Li & Liang 2021); of a soft prompt they follow from learned embeddings
(Lester et al. 2021), which see nothing but themselves. So one copy serves all rows that are packed
into a sequence, each as if it stood alone behind it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def count(network: Any) -> int:
    """Virtual tokens before every text; 0 without prefix or prompt tuning."""
    config = _config(network)
    return 0 if config is None else int(config.num_virtual_tokens)


def cache(network: Any, rows: int) -> Any:
    """Keys and values of the virtual tokens, with their graph, for so many rows.

    Args:
        network: Wrapped by PEFT, with ``count(network) > 0``.
        rows: Sequences of the batch.
    """
    from transformers import DynamicCache

    base, config = network.get_base_model(), _config(network)
    assert config is not None
    encoder = network.prompt_encoder[network.active_adapter]
    tokens = network.prompt_tokens[network.active_adapter][: config.num_virtual_tokens]
    made = encoder(tokens[None].to(encoder.embedding.weight.device)).to(base.dtype)
    if config.peft_type == "PROMPT_TUNING":
        found = base.base_model(inputs_embeds=made, past_key_values=DynamicCache(), use_cache=True)
        pairs = [(layer.keys, layer.values) for layer in found.past_key_values.layers]
    else:
        heads = config.num_attention_heads
        shape = (1, config.num_virtual_tokens, config.num_layers * 2, heads, -1)
        states = made.view(*shape).permute(2, 0, 3, 1, 4)
        pairs = list(zip(states[::2], states[1::2], strict=True))
    return DynamicCache(
        [(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in pairs]
    )


def hidden(network: Any, ids: Tensor, positions: Tensor, segments: Tensor) -> Tensor:
    """Last hidden states of packed rows behind the virtual tokens.

    Args:
        network: Wrapped by PEFT, with ``count(network) > 0``.
        ids: int64 [sequences, length].
        positions: int64, counted from 0 within each row.
        segments: int64, the row's number within its sequence, -1 for padding.

    Returns:
        [sequences, length, width].
    """
    decoder, before = network.get_base_model().base_model, count(network)
    at = positions + before
    seen = (segments[:, :, None] == segments[:, None, :]) & (at[:, :, None] >= at[:, None, :])
    out = decoder(
        input_ids=ids,
        attention_mask=masks(decoder, *with_cached(seen, at, at, before)),
        position_ids=at,
        past_key_values=cache(network, len(ids)),
        use_cache=True,
    )
    states: Tensor = out.last_hidden_state
    return states


def decoding_mask(network: Any, attention: Tensor, queries: Tensor) -> Any:
    """Which cached positions the tokens of a decoding step look at.

    Args:
        network: The network below the virtual tokens.
        attention: [rows, cached and new], 1 but for padding; virtual tokens come first.
        queries: int64 [rows, new], positions of the new tokens, virtual ones counted.
    """
    keys = attention.cumsum(1) - 1
    seen = attention.bool()[:, None, :] & (keys[:, None, :] <= queries[:, :, None])
    return masks(network, seen, queries[:, :, None] - keys[:, None, :])


def _config(network: Any) -> Any:
    """PEFT's settings if they are of prefix or prompt tuning and not switched off."""
    configs = getattr(network, "peft_config", None)
    if not configs or getattr(network, "_adapters_disabled", False):
        return None
    config = configs[network.active_adapter] if hasattr(network, "active_adapter") else None
    return config if getattr(config, "is_prompt_learning", False) else None


def with_cached(seen: Tensor, queries: Tensor, keys: Tensor, before: int) -> tuple[Tensor, Tensor]:
    """What is seen, and how far away, with a column for each virtual token before the others."""
    rows, length = queries.shape
    columns = torch.arange(before, device=keys.device).expand(rows, before)
    keys = torch.cat([columns, keys], 1)
    seen = torch.cat([seen.new_ones(rows, length, before), seen], 2)
    return seen, queries[:, :, None] - keys[:, None, :]


def masks(network: Any, seen: Tensor, distance: Tensor) -> Tensor | dict[str, Tensor]:
    """A mask in the form the network takes: one, or one for each kind of layer.

    Args:
        network: A decoder, or what holds one.
        seen: bool [rows, queries, keys].
        distance: int64, the same shape: positions between query and key.
    """
    config = network.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    plain = config._attn_implementation == "eager"  # it adds the mask to the scores

    def mask(sliding: bool) -> Tensor:
        own = (seen & (distance < window) if sliding and window else seen)[:, None]
        if not plain:
            return own
        zeros = torch.zeros(own.shape, dtype=network.dtype, device=own.device)
        return zeros.masked_fill_(~own, torch.finfo(network.dtype).min)

    if len(kinds) > 1:
        return {kind: mask(kind == "sliding_attention") for kind in kinds}
    return mask(kinds != {"full_attention"})
