"""Scores of rows or words from a network with a head, the fast way where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from luthier.core.errors import ModelError
from luthier.models._fused_bert_network import stack_of
from luthier.models._fused_network import UnknownNetworkError
from luthier.tune import _supervised_bert as bert

Pooling = Literal["auto", "mean", "cls", "last"]


def head_modules(network: Any, pooling: Pooling) -> list[str]:
    """Full names of the modules that are new and must learn whatever the method is.

    Args:
        network: With a head, without adapters.
        pooling: With BERT's own the pooler counts, too: it is made for another task.
    """
    body = network.base_model_prefix
    names = [
        name
        for name, module in network.named_children()
        if name != body and any(True for _ in module.parameters())
    ]
    pooler = getattr(getattr(network, body), "pooler", None)
    if pooler is not None and pooling != "mean" and type(network).__name__.startswith("Bert"):
        names.append(f"{body}.pooler")
    return names


def check(network: Any, pooling: Pooling) -> None:
    """Refuse a pooling that the network does not have.

    Raises:
        ModelError: It has another.
    """
    own = _own(network)
    if pooling in ("auto", own):
        return
    if pooling == "mean" and own in ("cls", "last") and _linear(network) is not None:
        return
    raise ModelError(
        f"{type(network).__name__} cannot pool by {pooling!r}; its own way is {own!r}",
        where="tune.objective.pooling",
        mend="Leave it out, and the architecture's own is used.",
    )


def scores(network: Any, batch: Mapping[str, Tensor], pooling: Pooling) -> Tensor:
    """Scores before any softmax, in float32.

    Args:
        network: With a sequence head, or a token head if ``batch`` says which tokens count; with
            or without an adapter.
        batch: As ``_supervised.TextRows`` lays rows out.
        pooling: How the states of a row become one.

    Returns:
        [rows, labels], or [words, labels] with a token head.
    """
    plain, body = _parts(network)
    words = batch.get("words")
    if not _prompted(network) and bert.fits(body) and hasattr(plain, "classifier"):
        ids, positions, grid = batch["ids"], batch["positions"], batch["grid"]
        hidden = bert.states(body, ids, positions, grid, batch["places"])
        return _bert_head(plain, hidden, batch, words, pooling).float()
    grid, length = batch["grid"], batch["lengths"]
    mask = (torch.arange(grid.shape[1], device=grid.device) < length[:, None]).long()
    inputs = {"input_ids": batch["ids"][grid], "attention_mask": mask}
    if words is not None:
        logits = network(**inputs).logits
        found: Tensor = logits.reshape(-1, logits.shape[-1])[batch["places"][words]]
        return found.float()
    if pooling != "mean" or _own(plain) == "mean":
        found = network(**inputs).logits
        return found.float()
    hidden = body(**inputs).last_hidden_state
    pooled = (hidden * mask[..., None]).sum(1) / length[:, None]
    found = _linear(plain)(pooled.to(hidden.dtype))
    return found.float()


def operations(network: Any) -> str:
    """What computes states and gradients: ``fused kernels``, or PyTorch and why.

    Args:
        network: As for ``scores``.
    """
    plain, body = _parts(network)
    if _prompted(network):
        return "PyTorch: virtual tokens stand before the rows"
    if not bert.fits(body) or not hasattr(plain, "classifier"):
        return f"PyTorch: no kernels for {type(plain).__name__}"
    try:
        stack_of(body)
    except UnknownNetworkError as error:
        return f"PyTorch: {error}"
    return "fused kernels"


def _parts(network: Any) -> tuple[Any, Any]:
    """A network without adapters' wrapping, and its body."""
    plain = network.get_base_model() if hasattr(network, "peft_config") else network
    return plain, getattr(plain, plain.base_model_prefix)


def _prompted(network: Any) -> bool:
    found = getattr(network, "peft_config", {}).values()
    return any(config.is_prompt_learning for config in found)


def _bert_head(
    network: Any,
    hidden: Tensor,
    batch: Mapping[str, Tensor],
    words: Tensor | None,
    pooling: Pooling,
) -> Tensor:
    training = network.training
    if words is not None:
        pooled = hidden[words]
    elif pooling == "mean":
        length, row = batch["lengths"], batch["rows"]
        total = hidden.new_zeros(len(length), hidden.shape[1], dtype=torch.float32)
        total = total.index_add(0, row, hidden[: len(row)].float())
        pooled = (total / length[:, None]).to(hidden.dtype)
    else:
        pooled = network.bert.pooler(hidden[batch["grid"][:, 0]][:, None])
    logits: Tensor = network.classifier(bert.dropout(pooled, network.dropout.p, training))
    return logits


def _own(network: Any) -> str:
    """How transformers pools with this class: the first token, the last, or the mean."""
    told = getattr(network.config, "classifier_pooling", None)  # ModernBERT says
    if told in ("cls", "mean"):
        return str(told)
    return "last" if hasattr(network, "score") else "cls"


def _linear(network: Any) -> Any:
    """A head of one matrix; None if it has more to it."""
    found = getattr(network, "score", None) or getattr(network, "classifier", None)
    inner = getattr(found, "original_module", found)  # PEFT trains a copy beside it
    return found if type(inner).__name__ == "Linear" else None
