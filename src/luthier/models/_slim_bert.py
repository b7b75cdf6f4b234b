"""A BERT as the kernels take it, read from its files without transformers.

To import what transformers needs for any model takes longer than to answer a question. A folder
that is not just one BERT in one file of safetensors is left to transformers.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from luthier.models.folder import read_config

if TYPE_CHECKING:
    from torch import Tensor

_USUAL = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "is_decoder": False,
    "position_embedding_type": "absolute",
}  # of transformers' BertConfig
_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


def slim_bert(folder: Path) -> Any | None:
    """What ``_fused_bert_network`` looks at of a ``BertModel`` in bfloat16.

    Returns:
        Something with ``config``, ``embeddings`` and ``encoder.layer``; None where the folder has
        another network or layout, or lacks weights: transformers then says which.
    """
    config = SimpleNamespace(**{**_USUAL, **read_config(folder)})
    path = folder / "model.safetensors"
    usual = not config.is_decoder and config.position_embedding_type == "absolute"
    if getattr(config, "model_type", "") != "bert" or not usual or not path.is_file():
        return None
    found = _weights(path)
    layers = range(config.num_hidden_layers)
    modules = [
        "embeddings.LayerNorm",
        *(f"encoder.layer.{i}.{part}" for i in layers for part in _PARTS),
    ]
    wanted = {f"{name}.{kind}" for name in modules for kind in ("weight", "bias")}
    wanted |= {f"embeddings.{name}.weight" for name in _TABLES}
    if not layers or not wanted <= set(found):
        return None
    root = SimpleNamespace(config=config)
    for name in modules:
        _put(root, name, _module(found[f"{name}.weight"], found[f"{name}.bias"], config))
    for name in _TABLES:
        _put(root, f"embeddings.{name}", SimpleNamespace(weight=found[f"embeddings.{name}.weight"]))
    root.encoder.layer = [vars(root.encoder.layer)[str(i)] for i in layers]
    return root


def _weights(path: Path) -> dict[str, Tensor]:
    """By name below the model (some files have a head around it); none of a damaged file."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        read = load_file(path)
    except (OSError, ValueError, SafetensorError):
        return {}
    return {
        name.removeprefix("bert."): tensor.to(torch.bfloat16)
        for name, tensor in read.items()
        if tensor.is_floating_point()
    }


def _module(weight: Tensor, bias: Tensor, config: Any) -> Any:
    import torch
    from torch import nn

    made: nn.Linear | nn.LayerNorm
    with torch.device("meta"):  # no memory: both weights are put in its place
        if weight.ndim == 1:
            made = nn.LayerNorm(len(weight), eps=config.layer_norm_eps)
        else:
            made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight = nn.Parameter(weight, requires_grad=False)
    made.bias = nn.Parameter(bias, requires_grad=False)
    return made


def _put(root: SimpleNamespace, name: str, module: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        if not hasattr(root, part):
            setattr(root, part, SimpleNamespace())
        root = getattr(root, part)
    setattr(root, last, module)
