"""Networks as transformers makes them from a folder, with nothing left random unawares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, assert_never

from luthier.core.errors import ModelError
from luthier.models._quiet import quietly
from luthier.models.folder import check_folder, read_config
from luthier.models.quantise import Quantisation, quantise

Precision = Literal["float32", "bfloat16"]
Head = Literal["causal", "masked", "sequence", "token", "none"]
"""What sits on a network: the projection to the vocabulary that predicts the next token or the
masked ones, scores for a sequence or for each token, or nothing."""


def pretrained(
    folder: Path, head: Head, precision: Precision, quantisation: Quantisation, **config: Any
) -> tuple[Any, list[str]]:
    """A network with one of transformers' heads, and the names of weights that are random.

    Args:
        folder: A model folder.
        head: Which.
        precision: Of the weights in memory, and of what is computed.
        quantisation: Of the linear layers below the head.
        config: Settings of a head that may be new; weights of another shape are then random too.

    Raises:
        ModelError: The files cannot be loaded, or there is nothing to quantise.
        ResourceError: The library that quantises is not installed.
    """
    import torch

    check_folder(folder)
    read_config(folder)
    reports: list[str] = []
    try:
        with quietly() as reports:
            loaded: Any = _auto_class(head).from_pretrained(
                folder,
                dtype=getattr(torch, precision),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=bool(config),
                **config,
            )
    except Exception as error:  # safetensors, transformers and torch each raise their own
        told = "\n".join([f"cannot load this model: {error}", *reports])
        raise ModelError(told, where=str(folder)) from error
    network, report = loaded
    return quantise(network, quantisation), sorted(
        {*report["missing_keys"], *(str(k[0]) for k in report["mismatched_keys"])}
    )


def _auto_class(head: Head) -> Any:
    import transformers

    match head:
        case "causal":
            return transformers.AutoModelForCausalLM
        case "masked":
            return transformers.AutoModelForMaskedLM
        case "sequence":
            return transformers.AutoModelForSequenceClassification
        case "token":
            return transformers.AutoModelForTokenClassification
        case "none":
            return transformers.AutoModel
        case _:
            assert_never(head)


def draw_head(network: Any) -> None:
    """Give what sits on a network's body random weights of the architecture's own kind."""
    for name, part in network.named_children():
        if name != network.base_model_prefix:
            for weight in part.parameters():
                weight._is_hf_initialized = False  # else transformers leaves them as loaded
            part.apply(network._init_weights)


def refuse_random(folder: Path, lacking: Sequence[str]) -> None:
    """Raise a `ModelError` if weights are lacking."""
    if lacking:
        raise ModelError(
            f"{len(lacking)} weights are missing or of another shape than config.json says "
            f"({lacking[0]}): they would be random",
            where=str(folder),
        )
