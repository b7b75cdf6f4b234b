"""Likelihood of tokens, with the vocabulary projection computed only where one is wanted.

Used by training (sum over a batch) and by scoring (sum per row); full logits are never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

_LOGITS_AT_ONCE = 1 << 26  # elements of a logits block; larger ones are made in pieces
_ROUND = 256  # wanted tokens are padded to a multiple of this


def block_mask(segments: Tensor) -> Tensor:
    """Which position may look at which: earlier ones of the same row.

    Args:
        segments: int64 [sequences, length]: the row's number within its sequence, -1 for padding.

    Returns:
        bool [sequences, 1, length, length]; padding sees padding, so that no line is empty.
    """
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    return (same & causal)[:, None]


def nll(
    network: Any, ids: Tensor, positions: Tensor, segments: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood (nats) of every wanted token.

    Args:
        network: A causal language model of transformers, with or without a PEFT adapter.
        ids: int64 [sequences, length].
        positions: int64, counted from 0 within each row.
        segments: int64, see ``block_mask``.
        targets: int64, the token to predict at each position, -100 where none.

    Returns:
        float32 [n] losses, and int64 [n] the sequence each belongs to.
    """
    decoder, head, finish = _parts(network)
    hidden = decoder(
        input_ids=ids, attention_mask=block_mask(segments), position_ids=positions, use_cache=False
    ).last_hidden_state
    where = (targets >= 0).flatten().nonzero()[:, 0]
    wanted = targets.flatten()[where]
    spare = -len(where) % _ROUND  # matrix kernels are compiled per shape: keep shapes few
    padded = torch.cat([where, where.new_zeros(spare)])
    chosen = hidden.flatten(0, 1)[padded]
    wanted = torch.cat([wanted, wanted.new_zeros(spare)])
    piece = max(_ROUND, _LOGITS_AT_ONCE // head.weight.shape[0] // _ROUND * _ROUND)
    losses = []
    for begin in range(0, max(1, len(chosen)), piece):
        part = (chosen[begin : begin + piece], wanted[begin : begin + piece])
        if len(chosen) > piece and torch.is_grad_enabled():
            losses.append(checkpoint(_nll, head, finish, *part, use_reentrant=False))
        else:
            losses.append(_nll(head, finish, *part))
    return torch.cat(losses)[: len(where)], where // targets.shape[1]


def _nll(head: Any, finish: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(finish(head(hidden)).float(), targets, reduction="none")


def _parts(network: Any) -> tuple[Any, Any, Callable[[Tensor], Tensor]]:
    """The decoder, the vocabulary projection, and what the model does to logits after it."""
    whole = network.get_base_model() if hasattr(network, "get_base_model") else network
    config = whole.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    scale = (getattr(config, "logit_scale", None) or 1.0) / (
        getattr(config, "logits_scaling", None) or 1.0
    )

    def finish(logits: Tensor) -> Tensor:
        scaled = logits if scale == 1.0 else logits * scale
        return torch.tanh(scaled / cap) * cap if cap else scaled

    return whole.base_model, whole.get_output_embeddings(), finish
