"""Which BERTs the fused kernels know, where their weights are, and what the kernels are told."""

from __future__ import annotations

import ctypes
import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from luthier.models._fused_library import library
from luthier.models._fused_network import UnknownNetworkError, plain, unknown

_LONG, _FLOAT, _POINTER = ctypes.c_long, ctypes.c_float, ctypes.c_void_p
_BITS = 16  # of the random numbers that decide what is dropped
MATRICES = 6  # of a block

KEPT = (
    *("sides", "mixed", "normed", "between", "gates", "active", "last_normed"),
    *("rstd", "log_sums"),
)
SHARED = ("packed", "made", "left", "right", "slope", "to_out", "to_sides", "sums")


class Dropout(ctypes.Structure):
    """What is kept; see ``random.h``."""

    _fields_ = (("key", ctypes.c_uint64), ("least", ctypes.c_uint32), ("scale", _FLOAT))


class Call(ctypes.Structure):
    """A block and a pass; see ``bert.h``."""

    _fields_ = (
        *((name, _LONG) for name in ("tokens", "rows", "width", "inner", "heads", "number")),
        ("starts", _POINTER),
        ("eps", _FLOAT),
        ("hidden", Dropout),
        ("attention", Dropout),
        ("weights", _POINTER * 16),
        ("sums", _POINTER * 16),
        ("fresh", _LONG * MATRICES),
        ("squares", ctypes.c_double * MATRICES),
        *((name, _POINTER) for name in ("x", "y", *KEPT)),
        *((f"memory_{name}", _POINTER) for name in SHARED),
        ("ready", _POINTER * 4),
        ("bare", _LONG),
    )


class EmbedCall(ctypes.Structure):
    """The embeddings and a pass; see ``bert.h``."""

    _fields_ = (
        *((name, _LONG) for name in ("tokens", "width")),
        *((name, _POINTER) for name in ("ids", "positions")),
        ("eps", _FLOAT),
        ("dropout", Dropout),
        ("weights", _POINTER * 5),
        ("sums", _POINTER * 5),
        *((name, _POINTER) for name in ("normed", "y", "slope", "rstd", "memory", "kinds")),
    )


def dropout(rate: float, key: int) -> Dropout:
    """Values dropped at a rate, counted in steps of 2^-16.

    Args:
        rate: From 0 to less than 1.
        key: Says which.
    """
    least = round(rate * 2**_BITS)
    return Dropout(key, least, 1.0 / (1.0 - least / 2**_BITS))


@dataclasses.dataclass(frozen=True, slots=True)
class Embedded:
    """Tokens, and the embeddings they go through.

    Attributes:
        ids: int64 [tokens], of rows of ``words``.
        positions: int64 [tokens], within each row.
        weights: Bfloat16: words, places, kinds (the first counts), gain and shift.
    """

    ids: Tensor
    positions: Tensor
    weights: tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Stack:
    """A body's shape and weights.

    Attributes:
        blocks: Of each the matrices of queries, keys, values, out, up and down; their biases; the
            gains of both norms; their shifts.
        width: Of the states.
        inner: Width of the MLP.
        heads: Of attention.
        eps: Of the norms.
        hidden_rate: Of dropout.
        attention_rate: Likewise, for probabilities of attention.
        ready: Of each block its matrices packed once for all passes, see ``_fused_bert.packed``.
        small: Of each block its matrices in eight bits, see ``_fused_int8.small``.
    """

    blocks: list[tuple[Tensor, ...]]
    width: int
    inner: int
    heads: int
    eps: float
    hidden_rate: float
    attention_rate: float
    ready: tuple[tuple[Tensor, ...], ...] = ()
    small: tuple[tuple[Tensor, ...], ...] = ()

    @property
    def key(self) -> tuple[int, ...]:
        """What memory depends on."""
        return len(self.blocks), self.width, self.inner, self.heads, torch.get_num_threads()


def stack_of(body: Any) -> Stack:
    """The blocks of a network the kernels know.

    Args:
        body: A ``BertModel``.

    Raises:
        UnknownNetworkError: They don't know it, or it is not one they can compute here; says why.
    """
    config = body.config
    if config.hidden_act != "gelu":
        raise UnknownNetworkError("another activation than GELU")
    stack = Stack(
        blocks=[_block(layer) for layer in body.encoder.layer],
        width=config.hidden_size,
        inner=config.intermediate_size,
        heads=config.num_attention_heads,
        eps=config.layer_norm_eps,
        hidden_rate=config.hidden_dropout_prob,
        attention_rate=config.attention_probs_dropout_prob,
    )
    sizes = (stack.width, stack.inner, stack.width // stack.heads)
    if any(size % 32 for size in sizes) or stack.width % stack.heads:
        raise UnknownNetworkError("sizes that are no multiples of 32")
    kernels, reason = library()
    if kernels is None:
        raise UnknownNetworkError(reason)
    return stack


def embedded(embeddings: Any, words: Tensor, ids: Tensor, positions: Tensor) -> Embedded:
    """Tokens of a network that ``stack_of`` knows.

    Args:
        embeddings: Its ``BertEmbeddings``.
        words: The embeddings of tokens, or some of them.
        ids: int64 [tokens], of rows of ``words``.
        positions: int64 [tokens].

    Raises:
        UnknownNetworkError: Other arithmetic.
    """
    return Embedded(ids, positions, embedding_weights(embeddings, words))


def embedding_weights(embeddings: Any, words: Tensor) -> tuple[Tensor, ...]:
    """What `Embedded` has as its weights.

    Raises:
        UnknownNetworkError: As for `embedded`.
    """
    norm = embeddings.LayerNorm
    weights = (
        words,
        embeddings.position_embeddings.weight,
        embeddings.token_type_embeddings.weight,
        norm.weight,
        norm.bias,
    )
    _check(weights)
    return weights


def _block(layer: Any) -> tuple[Tensor, ...]:
    own, out, last = layer.attention.self, layer.attention.output, layer.output
    linear = (own.query, own.key, own.value, out.dense, layer.intermediate.dense, last.dense)
    norms = (out.LayerNorm, last.LayerNorm)
    kinds: list[type[nn.Module]] = [*[nn.Linear] * MATRICES, *[nn.LayerNorm] * 2]
    for module, kind in zip((*linear, *norms), kinds, strict=True):
        if not plain(module, kind) or module.bias is None:
            raise unknown(module)
    weights = (
        *(module.weight for module in linear),
        *(module.bias for module in linear),
        *(module.weight for module in norms),
        *(module.bias for module in norms),
    )
    _check(weights)
    return weights


def _check(weights: tuple[Tensor, ...]) -> None:
    for weight in weights:
        if weight.device.type != "cpu" or weight.dtype != torch.bfloat16:
            raise UnknownNetworkError("kernels are for bfloat16 on the CPU")
        if not weight.is_contiguous():
            raise UnknownNetworkError("weights that do not lie row by row")
