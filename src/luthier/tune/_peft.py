"""Adapters as PEFT makes them, and bottleneck adapters, from the settings of a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from luthier.core.errors import TuneError
from luthier.models.adapter import prefix_shape
from luthier.models.blocks import blocks, ends
from luthier.tune._objective import judging

if TYPE_CHECKING:
    from luthier.tune.methods import IA3, Bottleneck, Lora, Prefix, Prompt, QLora

_TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
}


def low_rank(method: Lora | QLora, network: Any, *, seed: int, head: Sequence[str]) -> Any:
    """LoRA, rsLoRA, DoRA or QLoRA."""
    from peft import LoraConfig

    targets = method.target_modules
    config = LoraConfig(
        r=method.r,
        lora_alpha=method.lora_alpha,
        lora_dropout=method.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_rslora=method.use_rslora,
        use_dora=method.use_dora,
        fan_in_fan_out=_transposed(network),
        modules_to_save=list(head) or None,
        task_type=task(network),
    )
    return _wrapped(network, config, seed)


def ia3(method: IA3, network: Any, *, seed: int, head: Sequence[str]) -> Any:
    """Factors where PEFT puts them for the architecture.

    Where PEFT knows none: on keys, values, and what the last matrix of the MLP reads.
    """
    from peft import IA3Config
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as KNOWN

    targets, inner = method.target_modules, method.feedforward_modules
    if targets is None and network.config.model_type not in KNOWN:
        targets, inner = _ia3_targets(network)
    config = IA3Config(
        target_modules=None if targets is None else list(targets),
        feedforward_modules=None if inner is None else list(inner),
        fan_in_fan_out=_transposed(network),
        modules_to_save=list(head) or None,
        task_type=task(network),
    )
    return _wrapped(network, config, seed)


def prefix(method: Prefix, network: Any, *, seed: int) -> Any:
    """Keys and values before every text."""
    from peft import PrefixTuningConfig

    _must_decode(network, method.kind)
    layers, heads, width = prefix_shape(network)
    config = PrefixTuningConfig(
        num_virtual_tokens=method.num_virtual_tokens,
        prefix_projection=method.prefix_projection,
        encoder_hidden_size=method.encoder_hidden_size
        or network.config.get_text_config().hidden_size,
        num_layers=layers,
        num_attention_heads=heads,
        token_dim=width,
        task_type="CAUSAL_LM",
    )
    wrapped = _wrapped(network, config, seed)
    if method.init == "tokens" and not method.prefix_projection:
        _start_from_tokens(wrapped, seed)
    return wrapped


def prompt(method: Prompt, network: Any, *, seed: int) -> Any:
    """Embeddings before every text."""
    from peft import PromptTuningConfig

    _must_decode(network, method.kind)
    text = method.prompt_tuning_init == "TEXT"
    if text != (method.prompt_tuning_init_text is not None):
        raise TuneError(
            "prompt_tuning_init: TEXT and prompt_tuning_init_text belong together",
            where="tune.method",
            mend="Give both, or neither.",
        )
    config = PromptTuningConfig(
        num_virtual_tokens=method.num_virtual_tokens,
        prompt_tuning_init=method.prompt_tuning_init,
        prompt_tuning_init_text=method.prompt_tuning_init_text,
        tokenizer_name_or_path=network.name_or_path if text else None,
        task_type="CAUSAL_LM",
    )
    return _wrapped(network, config, seed)


def bottleneck(method: Bottleneck, network: Any, *, seed: int, head: Sequence[str]) -> Any:
    """Small networks inside the blocks."""
    from luthier.models.bottleneck import Config, attach

    if not (method.attention or method.mlp):
        raise TuneError(
            "nothing is left to tune", where="tune.method", mend="Set attention or mlp."
        )
    config = Config(
        bottleneck_size=method.bottleneck_size,
        placement=method.placement,
        attention=method.attention,
        mlp=method.mlp,
        non_linearity=method.non_linearity,
        scaling=method.scaling,
        modules_to_save=tuple(head),
    )
    return attach(network, config, seed=seed)


def task(network: Any) -> str | None:
    """PEFT's name for what a network is for, told from its class; None if it has no head."""
    named = type(network).__name__
    return next((task for end, task in _TASKS.items() if named.endswith(end)), None)


def _transposed(network: Any) -> bool:
    """Whether matrices lie as (in, out), as in GPT-2."""
    return any(type(module).__name__ == "Conv1D" for module in network.modules())


def _wrapped(network: Any, config: Any, seed: int) -> Any:
    import torch
    from peft import get_peft_model

    torch.manual_seed(seed)
    try:
        return get_peft_model(network, config)
    except ValueError as error:  # such as target modules that are not there
        raise TuneError(f"this adapter cannot be made: {error}", where="tune.method") from error


def _must_decode(network: Any, kind: str) -> None:
    if task(network) != "CAUSAL_LM":
        raise TuneError(
            f"method {kind} is for models that generate text, not for {type(network).__name__}",
            where="tune.method",
            mend="Choose lora, ia3 or bottleneck.",
        )


def _ia3_targets(network: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    attention, inner = set[str](), set[str]()
    for block in blocks(network):
        parts = {p.name.removeprefix(f"{block.name}."): p for p in block.of("attention")}
        leaves = {name.rpartition(".")[2]: name for name in parts}
        found = {leaves[n] for n in ("k_proj", "v_proj", "key", "value") if n in leaves}
        attention |= found or {ends(block.of("attention"))[0].name.removeprefix(f"{block.name}.")}
        inner.add(ends(block.of("mlp"))[1].name.removeprefix(f"{block.name}."))
    return tuple(sorted(attention | inner)), tuple(sorted(inner))


def _start_from_tokens(network: Any, seed: int) -> None:
    """Set a prefix to the keys and values that random tokens have (section 7.4 of the paper)."""
    import torch

    base = network.get_base_model()
    embedding = network.prompt_encoder[network.active_adapter].embedding.weight
    random = torch.Generator().manual_seed(seed)
    vocabulary = base.get_input_embeddings().weight.shape[0]
    ids = torch.randint(vocabulary, (1, len(embedding)), generator=random).to(base.device)
    with judging(base):
        found = base.base_model(input_ids=ids, use_cache=True).past_key_values
        states = [s for layer in found.layers for s in (layer.keys, layer.values)]
        # each [1, heads, tokens, size]; PEFT keeps [tokens, 2 * layers * heads * size]
        flat = torch.stack(states).squeeze(1).permute(2, 0, 1, 3).reshape(len(embedding), -1)
        embedding.copy_(flat)
