"""Which weights are tuned: all of them, or a low-rank adapter (PEFT)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from luthier.core.spec import Spec


class Full(Spec):
    """Every weight is updated."""

    kind: Literal["full"] = "full"
    """Tag."""


class Lora(Spec):
    """Low-rank adapters beside the linear layers (Hu et al. 2022); the base stays frozen."""

    kind: Literal["lora"] = "lora"
    """Tag."""
    r: int = Field(16, ge=1)
    """LoRA rank."""
    lora_alpha: int = Field(32, ge=1)
    """Scale: the update is multiplied by lora_alpha / r."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Names of linear layers, as PEFT understands them."""


MethodSpec = Annotated[Full | Lora, Field(discriminator="kind")]


def trainable(method: Full | Lora, facts: Mapping[str, Any]) -> int:
    """About how many weights a method updates, before the model is loaded.

    Args:
        method: Which.
        facts: The model's, see ``models.load.facts``. Linear layers of a Llama-like block have
            about 19 times the width of rows and columns together.
    """
    match method:
        case Full():
            return int(facts["parameters"])
        case Lora():
            return int(method.r * facts["layers"] * 19 * facts["hidden_size"])
        case _:
            assert_never(method)


def apply(method: Full | Lora, network: Any, *, seed: int) -> Any:
    """Make the network trainable by this method.

    Args:
        method: Which.
        network: A loaded causal language model.
        seed: Of the adapter's random weights.

    Returns:
        The network, wrapped by PEFT for LoRA.
    """
    match method:
        case Full():
            network.requires_grad_(True)
            return network
        case Lora():
            import torch
            from peft import LoraConfig, get_peft_model

            torch.manual_seed(seed)
            targets = method.target_modules
            config = LoraConfig(
                r=method.r,
                lora_alpha=method.lora_alpha,
                lora_dropout=method.lora_dropout,
                target_modules=targets if isinstance(targets, str) else list(targets),
                task_type="CAUSAL_LM",
            )
            return get_peft_model(network, config)
        case _:
            assert_never(method)


def merged(network: Any, folder: Path | None = None) -> Any:
    """The network with its adapter, if any, folded into the weights.

    Args:
        network: What ``apply`` returned.
        folder: Where the adapter is written before, if anywhere.
    """
    if not hasattr(network, "merge_and_unload"):
        return network
    if folder is not None:
        network.save_pretrained(folder)
    return network.merge_and_unload()
