"""Which weights are tuned: all of them, a part, half, or an adapter beside them (PEFT)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from luthier.core.errors import TuneError
from luthier.core.spec import Spec
from luthier.setup import trained as of
from luthier.setup.shape import Shape
from luthier.setup.trained import Trained


class Full(Spec):
    """Every weight is updated."""

    kind: Literal["full"] = "full"
    """Tag."""


class LastLayers(Spec):
    """The last blocks are updated, what is below them stays frozen."""

    kind: Literal["last_layers"] = "last_layers"
    """Tag."""
    layers: int = Field(2, ge=0)
    """How many of the last blocks; the norm behind them is tuned too."""
    head: bool = True
    """The head too: the vocabulary projection, or what a classifier has in its place."""
    embeddings: bool = False
    """The token embeddings too. Where they are tied to the head, one means both."""


class Head(Spec):
    """The head alone is updated: a linear model on frozen features."""

    kind: Literal["head"] = "head"
    """Tag."""


class Half(Spec):
    """Half fine-tuning (Hui et al. 2024): a random half of the weights is updated in each round."""

    kind: Literal["half"] = "half"
    """Tag."""
    rounds: int = Field(1, ge=1)
    """Parts of the run, of equal steps. Each draws another half and begins with a fresh
    optimizer, as a further stage of training does in the paper."""
    level: Literal["category", "layer", "model"] = "category"
    """``category``: half of each block's attention matrices, of its MLP matrices and of its norms.
    ``layer``: half of the blocks. ``model``: half of all matrices. The paper finds ``category``
    to forget least."""
    seed: int | None = None
    """Of the draw; default ``tune.seed``."""


class _LowRank(Spec):
    """Fields that LoRA and QLoRA share, named as PEFT names them."""

    r: int = Field(16, ge=1)
    """LoRA rank."""
    lora_alpha: int = Field(32, ge=1)
    """Scale: the update is multiplied by lora_alpha / r."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Names of linear layers, as PEFT understands them."""
    use_rslora: bool = False
    """rsLoRA (Kalajdzievski 2023): multiply by lora_alpha / sqrt(r), for high ranks."""
    use_dora: bool = False
    """DoRA (Liu et al. 2024): tune the length of each column of weights apart from its
    direction."""
    loraplus_lr_ratio: float = Field(1.0, ge=1)
    """LoRA+ (Hayou et al. 2024): B learns with so many times the learning rate of A; the paper
    advises 16."""


class Lora(_LowRank):
    """Low-rank adapters beside the linear layers (Hu et al. 2022); the base stays frozen."""

    kind: Literal["lora"] = "lora"
    """Tag."""


class QLora(_LowRank):
    """LoRA on a base whose matrices are held in 4 bits (Dettmers et al. 2023)."""

    kind: Literal["qlora"] = "qlora"
    """Tag."""
    quant_type: Literal["nf4", "fp4"] = "nf4"
    """The 16 values a weight can take; ``nf4`` is made for weights that are normally spread."""
    double_quant: bool = True
    """Hold the scales of the 4-bit blocks in 8 bits."""


class IA3(Spec):
    """Learned factors on keys, values and the MLP's inner layer (Liu et al. 2022)."""

    kind: Literal["ia3"] = "ia3"
    """Tag."""
    target_modules: tuple[str, ...] | None = None
    """Linear layers whose output is scaled; default PEFT's for the architecture."""
    feedforward_modules: tuple[str, ...] | None = None
    """Those of them whose input is scaled instead."""


class Prefix(Spec):
    """Learned keys and values before every text, in every block (Li & Liang 2021)."""

    kind: Literal["prefix"] = "prefix"
    """Tag."""
    num_virtual_tokens: int = Field(20, ge=1)
    """Length of the prefix; it takes up as many positions of the context."""
    prefix_projection: bool = False
    """Tune a two-layer network that makes the prefix, as in the paper, in place of the prefix."""
    encoder_hidden_size: int | None = Field(None, ge=1)
    """Width of that network; default the model's."""
    init: Literal["tokens", "random"] = "tokens"
    """``tokens``: keys and values of random tokens, so that tuning starts near the model.
    ``random``: normal numbers, PEFT's default. With a projection it is always ``random``."""


class Prompt(Spec):
    """Learned embeddings before every text (Lester et al. 2021)."""

    kind: Literal["prompt"] = "prompt"
    """Tag."""
    num_virtual_tokens: int = Field(20, ge=1)
    """Length of the soft prompt; it takes up as many positions of the context."""
    prompt_tuning_init: Literal["SAMPLE_VOCAB", "RANDOM", "TEXT"] = "SAMPLE_VOCAB"
    """Start from embeddings of random tokens, from normal numbers, or from a text's tokens."""
    prompt_tuning_init_text: str | None = None
    """The text for ``TEXT``, such as the task in words."""


class Bottleneck(Spec):
    """Small networks inside the blocks: down to few values, a nonlinearity, up again."""

    kind: Literal["bottleneck"] = "bottleneck"
    """Tag."""
    bottleneck_size: int = Field(64, ge=1)
    """Values in the middle."""
    placement: Literal["serial", "parallel"] = "serial"
    """``serial``: on what a sublayer has made (Houlsby et al. 2019). ``parallel``: on what it
    reads, added to what it makes (He et al. 2022)."""
    attention: bool = True
    """One for each attention sublayer."""
    mlp: bool = True
    """One for each MLP sublayer."""
    non_linearity: Literal["relu", "gelu", "silu"] = "relu"
    """Between down and up."""
    scaling: float = Field(1.0, gt=0)
    """What the network's output is multiplied by; He et al. take 4 for ``parallel``."""


Method = Full | LastLayers | Head | Half | Lora | QLora | IA3 | Prefix | Prompt | Bottleneck
MethodSpec = Annotated[Method, Field(discriminator="kind")]


def apply(method: Method, network: Any, *, seed: int, head: Sequence[str] = ()) -> Any:
    """Make the network trainable by this method.

    Args:
        method: Which.
        network: A loaded network of transformers.
        seed: Of the adapter's random weights.
        head: Names of modules that are new and must learn whatever the method is, such as a
            classifier's ``score``.

    Returns:
        The network, wrapped by PEFT where PEFT has the method.

    Raises:
        TuneError: The method does not fit this network.
        ModelError: Its layers cannot be found.
    """
    from luthier.models.quantise import is_quantised, quantise
    from luthier.tune import _partial, _peft

    if isinstance(method, QLora):
        network = quantise(
            network, "4bit", quant_type=method.quant_type, double_quant=method.double_quant
        )
    if isinstance(method, Full | Half | LastLayers) and is_quantised(network):
        raise TuneError(
            f"`{method.kind}` cannot learn weights that are held in 8 or 4 bits",
            where="tune.method",
            mend="Take an adapter, such as `method: qlora`, or `model.quantisation: none`.",
        )
    match method:
        case Full():
            return network.requires_grad_(True)
        case Half():
            network.requires_grad_(True)  # all of them in the end, if there are several rounds
            if method.rounds == 1:
                begin_round(method, network, 0, seed=seed)
            return network
        case LastLayers():
            return _partial.last_layers(
                network, method.layers, head=method.head, embeddings=method.embeddings, new=head
            )
        case Head():
            return _partial.last_layers(network, 0, head=True, embeddings=False, new=head)
        case Lora() | QLora():
            return _peft.low_rank(method, network, seed=seed, head=head)
        case IA3():
            return _peft.ia3(method, network, seed=seed, head=head)
        case Prefix():
            return _peft.prefix(method, network, seed=seed)
        case Prompt():
            return _peft.prompt(method, network, seed=seed)
        case Bottleneck():
            return _peft.bottleneck(method, network, seed=seed, head=head)
        case _:
            assert_never(method)


def merged(network: Any, folder: Path | None = None) -> Any:
    """The network with its adapter, if any, folded into the weights.

    Adapters that cannot be folded in (prefix, prompt, bottleneck) stay beside the weights;
    ``models.load.save`` then writes them to ``adapter/`` in the model's folder.

    Args:
        network: What ``apply`` returned, after training.
        folder: Where the adapter is written before, if anywhere, in PEFT's layout.

    Raises:
        TuneError: The folded network would answer otherwise than the network with its adapter.
    """
    from luthier.models import adapter
    from luthier.tune import _merge

    if not adapter.on(network):
        return network
    if folder is not None:
        adapter.save(network, folder)
    return _merge.merged(network) if adapter.mergeable(network) else network


def begin_round(method: Method, network: Any, number: int, *, seed: int) -> None:
    """Freeze what this round leaves alone; for every method but ``half`` nothing happens.

    Frozen weights keep every bit: they get no gradient, hence no update and no decay. The loop
    calls this before the first step of each round (and when it resumes inside one), and begins
    each round with a fresh optimizer.

    Args:
        method: Which.
        network: What ``apply`` returned.
        number: Of the round, from 0 to ``rounds(method) - 1``.
        seed: Of the run.
    """
    if isinstance(method, Half):
        from luthier.tune._half import freeze

        freeze(network, _drawn(method, network, number, seed))


def _drawn(method: Half, network: Any, number: int, seed: int) -> set[str]:
    from luthier.tune._half import choose

    own = seed if method.seed is None else method.seed
    return choose(network, number, seed=own, level=method.level)


def tuned_at_once(method: Method, network: Any, *, seed: int) -> int:
    """How many weights are updated in any one step; with ``half``, in the round with most.

    Args:
        method: Which.
        network: What ``apply`` returned.
        seed: Of the run.
    """
    sizes: dict[str, int] = {n: p.numel() for n, p in network.named_parameters() if p.requires_grad}
    if isinstance(method, Half) and method.rounds > 1:
        drawn = (_drawn(method, network, number, seed) for number in range(method.rounds))
        return max(sum(sizes[name] for name in names) for names in drawn)
    return sum(sizes.values())


def rounds(method: Method) -> int:
    """Parts of a run between which the trained weights change."""
    return method.rounds if isinstance(method, Half) else 1


def virtual_tokens(method: Method) -> int:
    """Positions of the context that the method takes for itself."""
    return method.num_virtual_tokens if isinstance(method, Prefix | Prompt) else 0


def lr_scale(method: Method) -> Callable[[str], float]:
    """What the learning rate of a parameter, by name, is multiplied by."""
    ratio = method.loraplus_lr_ratio if isinstance(method, _LowRank) else 1.0
    fast = ("lora_B", "lora_embedding_B", "lora_magnitude_vector")

    def scale(name: str) -> float:
        return ratio if any(part in name for part in fast) else 1.0

    return scale


def trained(method: Method, shape: Shape) -> Trained:
    """How much of a model a method updates, before the model is loaded.

    Args:
        method: Which.
        shape: The model's. Targets that are named one by one count as all linear layers, and IA3
            and prefixes as if all heads were whole.
    """
    width, layers = shape.width, shape.layers
    match method:
        case Full():
            return of.full(shape)
        case LastLayers():
            return of.last_layers(
                shape, method.layers, head=method.head, embeddings=method.embeddings
            )
        case Head():
            return of.last_layers(shape, 0, head=True)
        case Half():
            return of.half(shape)
        case Lora() | QLora():
            return of.low_rank(shape, method.r, dora=method.use_dora)
        case IA3():
            kv_width = shape.kv_heads * shape.head_dim
            return of.beside(shape, layers * (2 * kv_width + shape.mlp_width))
        case Prefix():
            kv_width = shape.kv_heads * shape.head_dim
            return of.beside(shape, method.num_virtual_tokens * layers * 2 * kv_width)
        case Prompt():
            return of.beside(shape, method.num_virtual_tokens * width)
        case Bottleneck():
            each = 2 * width * method.bottleneck_size + width + method.bottleneck_size
            return of.beside(shape, layers * each * (method.attention + method.mlp))
        case _:
            assert_never(method)
