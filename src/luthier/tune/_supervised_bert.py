"""BERT on rows laid end to end: no padding but in the attention scores, and cheap dropout.

The network's own linear layers, norms and embeddings are called, so that adapters beside them and
frozen weights work as in transformers; its attention and its dropout are computed here.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from luthier.models import _fused_bert
from luthier.models._fused_bert_network import embedded, stack_of
from luthier.models._fused_network import UnknownNetworkError
from luthier.tune._supervised_vocabulary import UsedRows

_BITS = 15  # of the random numbers that decide what is dropped


def fits(network: Any) -> bool:
    """Whether ``states`` computes what the network would.

    Args:
        network: A body of transformers, perhaps with adapters beside its linear layers.
    """
    config = network.config
    return (
        type(network).__name__ == "BertModel"
        and not getattr(config, "is_decoder", False)
        and not getattr(config, "add_cross_attention", False)
        and getattr(config, "position_embedding_type", None) in (None, "absolute")
        and not any(_hooked(module) for module in network.modules())
    )


def _hooked(module: Any) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def states(body: Any, ids: Tensor, positions: Tensor, grid: Tensor, places: Tensor) -> Tensor:
    """Last hidden states of each token.

    Args:
        body: A ``BertModel``.
        ids: Token ids of all rows end to end, and at least one more that belongs to none.
        positions: Place of each token within its row.
        grid: For each row the numbers of its tokens, [rows, longest]; behind its end, the number
            of the last token of all.
        places: Where each token of a row stands in the flattened grid.

    Returns:
        [at least as many as there are places, width]; what lies behind the rows means nothing.
    """
    try:
        stack = stack_of(body)
    except UnknownNetworkError:
        return _plain_states(body, _embedded(body, ids, positions), grid, places)
    starts = torch.cat([grid[:, 0], grid.new_tensor([len(places)])])
    count = -(-len(places) // _fused_bert.LINES) * _fused_bert.LINES
    ids, positions = ids[:count], positions[:count]
    words, training = body.embeddings.word_embeddings, body.training
    if isinstance(words, UsedRows) and training:
        below = embedded(body.embeddings, words.weight, words.place[ids].clamp(min=0), positions)
    elif type(words) is nn.Embedding:
        below = embedded(body.embeddings, words.weight, ids, positions)
    else:
        x = _embedded(body, ids, positions)
        return _fused_bert.states(stack, x, starts, training=training)
    return _fused_bert.states(stack, below, starts, training=training)


def _embedded(body: Any, ids: Tensor, positions: Tensor) -> Tensor:
    embeddings = body.embeddings
    x: Tensor = embeddings.word_embeddings(ids) + embeddings.token_type_embeddings.weight[0]
    x = embeddings.LayerNorm(x + embeddings.position_embeddings(positions))
    return dropout(x, embeddings.dropout.p, body.training)


def _plain_states(body: Any, x: Tensor, grid: Tensor, places: Tensor) -> Tensor:
    """The blocks by PyTorch's operations."""
    training, last_token = body.training, len(x) - 1
    outside = torch.where(grid == last_token, -math.inf, 0.0)[:, None, None, :]
    for layer in body.encoder.layer:
        own, out = layer.attention.self, layer.attention.output
        heads, rate = own.num_attention_heads, own.dropout.p if training else 0.0
        attended = _Attention.apply(  # type: ignore[no-untyped-call]
            own.query(x), own.key(x), own.value(x), heads, rate, grid, places, outside
        )
        x = out.LayerNorm(x + dropout(out.dense(attended), out.dropout.p, training))
        inner = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(x))
        last = layer.output
        x = last.LayerNorm(x + dropout(last.dense(inner), last.dropout.p, training))
    return x


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """As ``torch.nn.functional.dropout``, several times as fast on a CPU.

    A rate counts in steps of 2^-15.
    """
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu" or x.dtype not in (torch.bfloat16, torch.float32):
        return functional.dropout(x, rate)
    kept: Tensor = _Dropout.apply(x, rate)  # type: ignore[no-untyped-call]
    return kept


class _Dropout(torch.autograd.Function):
    """Values are kept whole or made zero by a bit mask, which takes a fraction of a product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rate: float) -> Tensor:
        mask, ctx.scale = _mask(x, rate)
        ctx.save_for_backward(mask)
        return _masked(x, mask, ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return _masked(grad, mask, ctx.scale), None


def _mask(like: Tensor, rate: float) -> tuple[Tensor, float]:
    """All bits set where a value is kept, and what kept values are multiplied by."""
    count = like.numel()
    draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    bound = round(rate * 2**_BITS)
    draws = draws.view(torch.int16)[:count].view(like.shape)
    mask = ((draws & (2**_BITS - 1)) - bound).bitwise_right_shift_(_BITS).bitwise_not_()
    return mask, 1.0 / (1.0 - bound / 2**_BITS)


def _masked(x: Tensor, mask: Tensor, scale: float) -> Tensor:
    if x.dtype == torch.bfloat16:
        return (x.contiguous().view(torch.int16) & mask).view(torch.bfloat16).mul_(scale)
    return (x.contiguous().view(torch.int32) & mask).view(torch.float32).mul_(scale)


class _Attention(torch.autograd.Function):
    """Scaled dot-product attention of rows that lie end to end; each row sees itself alone.

    Queries, keys and values are laid out as a grid of rows, so that a few products serve all of
    them; the probabilities are kept for the backward pass, since rows are short.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        heads: int,
        rate: float,
        grid: Tensor,
        places: Tensor,
        outside: Tensor,
    ) -> Tensor:
        ctx.heads, ctx.factor = heads, (query.shape[1] // heads) ** -0.5
        q, k, v = (_laid_out(part, grid, heads) for part in (query, key, value))
        scores = torch.matmul(q, k.transpose(2, 3)).float().mul_(ctx.factor).add_(outside)
        exact = torch.softmax(scores, dim=-1).to(q.dtype)
        mask, used, ctx.scale = None, exact, 1.0
        if rate:
            mask, ctx.scale = _mask(exact, rate)
            used = _masked(exact, mask, ctx.scale)
        ctx.save_for_backward(q, k, v, exact, mask, grid, places)
        return _end_to_end(torch.matmul(used, v), places, len(query))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, exact, mask, grid, places = ctx.saved_tensors
        used = exact if mask is None else _masked(exact, mask, ctx.scale)
        out = _laid_out(grad, grid, ctx.heads)  # behind a row's end nothing is learned: zeros
        to_value = torch.matmul(used.transpose(2, 3), out)
        slope = torch.matmul(out, v.transpose(2, 3))
        if mask is not None:
            slope = _masked(slope, mask, ctx.scale)
        slope = torch._softmax_backward_data(slope.float(), exact.float(), -1, torch.float32)
        slope = slope.mul_(ctx.factor).to(q.dtype)
        to_query, to_key = torch.matmul(slope, k), torch.matmul(slope.transpose(2, 3), q)
        slopes = (_end_to_end(part, places, len(grad)) for part in (to_query, to_key, to_value))
        return (*slopes, None, None, None, None, None)


def _laid_out(flat: Tensor, grid: Tensor, heads: int) -> Tensor:
    """[tokens, width] as [rows, heads, longest, size]."""
    rows, longest = grid.shape
    found = flat.index_select(0, grid.view(-1))
    return found.view(rows, longest, heads, -1).transpose(1, 2).contiguous()


def _end_to_end(laid_out: Tensor, places: Tensor, tokens: int) -> Tensor:
    """[rows, heads, longest, size] as [tokens, width]; zeros behind the rows."""
    rows, heads, longest, size = laid_out.shape
    flat = laid_out.transpose(1, 2).reshape(rows * longest, heads * size)
    found = flat.new_empty(tokens, heads * size)
    torch.index_select(flat, 0, places, out=found[: len(places)])
    found[len(places) :] = 0.0
    return found
