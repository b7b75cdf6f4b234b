"""Adapters beside a network's weights: put on, written and told, none of them ignored silently.

An adapter folder is in PEFT's layout: ``adapter_config.json`` and ``adapter_model.safetensors``.
Bottleneck adapters, which PEFT does not know, are written in the same two files with the type
``BOTTLENECK``. A tuned model whose adapter cannot be folded into the weights is a model folder
with the adapter in ``adapter/``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from luthier.core.errors import ModelError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
INSIDE = "adapter"  # of a model folder


def on(network: Any) -> bool:
    """Whether a network carries an adapter."""
    from luthier.models import bottleneck

    return hasattr(network, "peft_config") or bottleneck.attached(network) is not None


def mergeable(network: Any) -> bool:
    """Whether the adapter can be folded into the weights."""
    configs = getattr(network, "peft_config", {})
    return bool(configs) and not any(c.is_prompt_learning for c in configs.values())


def kind(config: dict[str, Any]) -> str:
    """An adapter's method in words, from its ``adapter_config.json``."""
    named = str(config.get("peft_type", "?")).lower().replace("_tuning", "")
    extra = [word for word in ("rslora", "dora") if config.get(f"use_{word}")]
    return "+".join([named, *extra])


def read_config(folder: Path) -> dict[str, Any]:
    """What ``adapter_config.json`` says.

    Raises:
        ModelError: Not an adapter folder, or not readable.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(
                f"not an adapter folder: {name} is missing",
                where=str(folder),
                mend="Luthier reads adapters as PEFT writes them, in safetensors.",
            )
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        raise ModelError(f"{CONFIG} cannot be read: {error}", where=str(folder)) from error
    return found


def inside(folder: Path) -> Path | None:
    """The adapter that belongs to a model folder, if there is one."""
    own = folder / INSIDE
    return own if (own / CONFIG).is_file() else None


def put(network: Any, folder: Path, *, name: str = "default") -> Any:
    """Put an adapter on a network; PEFT itself only warns of weights that find no place.

    Args:
        network: The base, or one with an adapter of another name on it.
        folder: The adapter's.
        name: Under which it is put on.

    Raises:
        ModelError: It cannot be read, does not fit, or belongs to another model.
    """
    config = read_config(folder)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{WEIGHTS} cannot be read: {error}", where=str(folder)) from error
    if config.get("peft_type") == "BOTTLENECK":
        return _put_bottleneck(network, config, weights, folder)
    return _put_peft(network, weights, folder, name)


def save(network: Any, folder: Path) -> None:
    """Write a network's adapter, in PEFT's layout.

    Raises:
        ModelError: There is none.
    """
    from luthier.models import bottleneck
    from luthier.models._quiet import quietly

    config = bottleneck.attached(network)
    if hasattr(network, "peft_config"):
        with quietly():
            network.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)  # an empty model card
        return
    if config is None:
        raise ModelError("the network has no adapter")
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "peft_type": bottleneck.PEFT_TYPE,
        "base_model_name_or_path": network.name_or_path,
        **dataclasses.asdict(config),
    }
    (folder / CONFIG).write_text(json.dumps(told, indent=2), encoding="utf-8")
    tensors = {n: t.detach().cpu().contiguous() for n, t in bottleneck.weights(network).items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def save_with_base(network: Any, folder: Path) -> None:
    """Write the base as a model folder, and the adapter to ``adapter/`` in it."""
    from luthier.models import bottleneck
    from luthier.models.quantise import dequantise

    network = dequantise(network)
    if bottleneck.attached(network) is not None:
        network.save_pretrained(folder, state_dict=bottleneck.base_weights(network))
    else:
        network.get_base_model().save_pretrained(folder)
    save(network, folder / INSIDE)


@contextmanager
def disabled(network: Any) -> Iterator[None]:
    """The network as it was before the adapter; one without any is left as it is."""
    from luthier.models import bottleneck

    if hasattr(network, "peft_config"):
        with network.disable_adapter():
            yield
    else:
        with bottleneck.disabled(network):
            yield


def _put_peft(network: Any, weights: dict[str, Any], folder: Path, name: str) -> Any:
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

    if name in "lora_ia3_prompt_prefix_":  # PEFT takes such names for parts of its own
        raise ModelError(f"'{name}' is no name for an adapter", mend="Take a longer one.")
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        config.base_model_name_or_path = network.name_or_path  # a moved folder is no other model
        _check_shape(network, config)
        if hasattr(network, "peft_config"):
            network.add_adapter(name, config)
        else:
            network = get_peft_model(network, config, adapter_name=name)
        result: Any = set_peft_model_state_dict(network, weights, adapter_name=name)
    except Exception as error:  # peft and safetensors each raise their own
        raise ModelError(f"the adapter does not fit: {error}", where=str(folder)) from error
    if not config.is_prompt_learning:  # those are read strictly, and leave all else missing
        own = {k for k in network.state_dict() if name in k.split(".")}
        unfilled = [k for k in result.missing_keys if k in own]
        _refuse(len(unfilled), len(result.unexpected_keys), folder)
    network.set_adapter(name)
    return network.requires_grad_(False)


def _put_bottleneck(
    network: Any, config: dict[str, Any], weights: dict[str, Any], folder: Path
) -> Any:
    from luthier.models import bottleneck

    names = {field.name for field in dataclasses.fields(bottleneck.Config)}
    told = {key: value for key, value in config.items() if key in names}
    told["modules_to_save"] = tuple(told.get("modules_to_save", ()))
    try:
        network = bottleneck.attach(network, bottleneck.Config(**told))
        result = network.load_state_dict(weights, strict=False)
    except (TypeError, RuntimeError) as error:
        raise ModelError(f"the adapter does not fit: {error}", where=str(folder)) from error
    own = bottleneck.weights(network).keys()
    _refuse(len(own - weights.keys()), len(result.unexpected_keys), folder)
    return network.requires_grad_(False)


def _check_shape(network: Any, config: Any) -> None:
    """Look whether virtual tokens have the shape of the network's, which PEFT does not."""
    if not config.is_prompt_learning:
        return
    shape = network.config.get_text_config()
    if config.peft_type == "PROMPT_TUNING":
        found, wanted = [config.token_dim], [shape.hidden_size]
    else:
        found = [config.num_layers, config.num_attention_heads, config.token_dim]
        wanted = list(prefix_shape(network))
    if found != wanted:
        raise ValueError(f"its virtual tokens have the shape {found}, the model's {wanted}")


def prefix_shape(network: Any) -> tuple[int, int, int]:
    """Layers, heads of keys and values, and what all heads of a key are wide together."""
    shape = network.config.get_text_config()
    heads = getattr(shape, "num_key_value_heads", None) or shape.num_attention_heads
    each = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    return shape.num_hidden_layers, heads, heads * each


def _refuse(unfilled: int, unexpected: int, folder: Path) -> None:
    if unfilled or unexpected:
        raise ModelError(
            f"the adapter belongs to another model: {unfilled} of its places stay empty, "
            f"{unexpected} of its weights find none",
            where=str(folder),
            mend="Use it with the base model it was trained on.",
        )
