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
        ModelError: The files cannot be loaded, their shapes are not those of config.json, or there
            is nothing to quantise.
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
                ignore_mismatched_sizes=True,  # refused below, with what is wrong
                **config,
            )
    except Exception as error:  # safetensors, transformers and torch each raise their own
        told = "\n".join([f"cannot load this model: {error}", *reports])
        raise ModelError(told, where=str(folder)) from error
    network, report = loaded
    other = sorted((str(name), *shapes) for name, *shapes in report["mismatched_keys"])
    body = f"{network.base_model_prefix}."
    refuse_shapes(folder, [one for one in other if not config or one[0].startswith(body)])
    lacking = sorted({*report["missing_keys"], *(name for name, *_ in other)})
    return quantise(network, quantisation), lacking


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
            f"{len(lacking)} weights are missing ({lacking[0]}): they would be random",
            where=str(folder),
            mend="Copy or download the model's files again.",
        )


def refuse_shapes(folder: Path, other: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """Raise a `ModelError` if weights have another shape than config.json says.

    Args:
        folder: The model's.
        other: Of each such weight the name, the shape it has and the one it is to have.
    """
    if other:
        name, found, wanted = other[0]
        raise ModelError(
            f"{len(other)} weights have other shapes than config.json says: {name} is "
            f"{_shape(found)} and would have to be {_shape(wanted)}",
            where=str(folder),
            mend="Put the config.json there that belongs to these weights, or download both again.",
        )


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
