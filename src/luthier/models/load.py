"""Stage 2: find a model by name, check its files, load it; or make a new one from scratch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from luthier.core.errors import ModelError
from luthier.core.spec import Spec, runtime
from luthier.models._pickles import in_safetensors
from luthier.models._pretrained import Precision, draw_head, pretrained, refuse_random
from luthier.models._quiet import quietly
from luthier.models.adapter import inside, on, put, save_with_base
from luthier.models.encode import minilm_folder
from luthier.models.folder import (
    check_folder,
    facts,
    read_config,
)
from luthier.models.hub import fetch, go_offline
from luthier.models.quantise import Quantisation, dequantise, weight_count

if TYPE_CHECKING:
    from luthier.models.render import Renderer

MODEL_VERSION = 4
STARTER, MINILM = "starter", "minilm"

Problem = Literal["single_label_classification", "multi_label_classification", "regression"]

_BEFORE_FIRST = ("roberta", "xlm-roberta", "camembert", "mpnet", "xmod", "data2vec-text")
"""Architectures whose positions are counted from behind the pad token's id."""


Architecture = Literal["llama", "gpt2", "bert"]


class ScratchSpec(Spec):
    """The shape of a new model with random weights, and its vocabulary."""

    architecture: Architecture = "llama"
    """``llama`` (rotary positions, gated MLP) and ``gpt2`` (learned positions, plain MLP) predict
    the next token; ``bert`` reads a text both ways and predicts masked tokens."""
    vocab_size: int = Field(8192, ge=300)
    """Entries of the byte-level BPE vocabulary trained on the corpus."""
    hidden_size: int = Field(256, ge=8)
    """Width of the residual stream."""
    intermediate_size: int = Field(704, ge=8)
    """Width of the MLP."""
    num_hidden_layers: int = Field(6, ge=1)
    """Transformer blocks."""
    num_attention_heads: int = Field(4, ge=1)
    """Attention heads; must divide hidden_size."""
    max_position_embeddings: int = Field(1024, ge=16)
    """Context length in tokens."""


class ModelSpec(Spec):
    """Which model to start from."""

    name: str = STARTER
    """``starter`` (ships with Luthier), ``minilm`` (an encoder, from its package), a local folder,
    a hub id, or ``scratch``."""
    revision: str | None = None
    """Hub revision (branch, tag or commit)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights when the model answers; ``auto`` is bfloat16 on a GPU and float32 on a CPU.
    Tuning has ``setup.precision``."""
    quantisation: Quantisation = "none"
    """Hold the linear layers in 8 or 4 bits, for tuning adapters and for answering."""
    scratch: ScratchSpec | None = None
    """The shape of the new model when name is ``scratch``."""
    offline: bool = runtime(default=False)
    """Never ask the hub: only local folders and files already in the cache. For the whole run
    Hugging Face's libraries are forbidden the network, telemetry too."""
    allow_pickle: bool = False
    """Take ``pytorch_model.bin`` where there are no safetensors. It is read by torch's unpickler
    for weights, which runs no code, and kept as safetensors in ``~/.cache/luthier``."""


@dataclasses.dataclass(slots=True)
class Model:
    """A loaded model: network, tokenizer and renderer that belong together.

    Attributes:
        network: A network of ``transformers``, with or without a PEFT adapter.
        tokenizer: Its tokenizer.
        context_length: Longest input (and answer), in tokens.
        device: Where the weights are (``cpu``, ``cuda``).
    """

    network: Any
    tokenizer: Any
    context_length: int
    device: str
    _renderer: Renderer | None = dataclasses.field(default=None, init=False, repr=False)

    @property
    def renderer(self) -> Renderer:
        """Messages to token ids, with the tokenizer's chat template.

        Raises:
            ModelError: The tokenizer has no chat template.
        """
        from luthier.models.render import Renderer

        if self._renderer is None:
            self._renderer = Renderer(self.tokenizer)
        return self._renderer

    @renderer.setter
    def renderer(self, renderer: Renderer) -> None:
        """Use another renderer."""
        self._renderer = renderer

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones counted once."""
        return weight_count(self.network)


def find(spec: ModelSpec, base: Path) -> Path:
    """The local folder of a model, downloaded from the hub if need be.

    Args:
        spec: The model.
        base: Folder that relative paths start from (the project file's).

    Raises:
        ModelError: No such folder or hub model, or the folder lacks a file.
    """
    if spec.offline:
        go_offline()
    if spec.name == STARTER:
        folder = Path(__file__).parent / "starter"
    elif spec.name == MINILM:
        folder = minilm_folder()
    elif (base / Path(spec.name).expanduser()).is_dir():
        folder = base / Path(spec.name).expanduser()
    elif spec.name.startswith((".", "/", "~")):
        raise ModelError("no such model folder", where=spec.name, mend="Check model.name.")
    else:
        folder = fetch(spec.name, spec.revision, pickles=spec.allow_pickle)
    if spec.allow_pickle and folder.is_dir() and not any(folder.glob("*.safetensors")):
        folder = in_safetensors(folder)
    return check_folder(folder)


def fit_for_chat(folder: Path) -> dict[str, Any]:
    """The facts of a model folder whose tokenizer and chat template have been checked.

    Raises:
        ModelError: There is no template, or it is unfit for training.
    """
    from luthier.models.render import Renderer

    Renderer(load_tokenizer(folder)).check()
    return facts(folder)


def load(
    folder: Path,
    *,
    device: str = "cpu",
    precision: Precision = "float32",
    quantisation: Quantisation = "none",
    adapter: Path | None = None,
) -> Model:
    """Load a causal language model that converses: it must have a chat template.

    Args:
        folder: A model folder (see ``find``).
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the weights in memory, and of what is computed.
        quantisation: Of the linear layers below the head; see ``models.quantise``.
        adapter: A PEFT adapter folder to put on top; refused if it does not fit.

    Raises:
        ModelError: The files cannot be loaded, lack weights, or have no chat template; the
            adapter belongs to another model.
    """
    model = load_network(
        folder, device=device, precision=precision, quantisation=quantisation, adapter=adapter
    )
    _ = model.renderer  # asks for the template
    return model


def load_network(
    folder: Path,
    *,
    head: Literal["causal", "masked", "none"] = "causal",
    device: str = "cpu",
    precision: Precision = "float32",
    quantisation: Quantisation = "none",
    adapter: Path | None = None,
) -> Model:
    """Load a network and its tokenizer; no chat template is asked for.

    Args:
        folder: A model folder (see ``find``).
        head: ``causal`` and ``masked`` language models need the weights of that head; ``none`` is
            the network below it, whose output are hidden states.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the weights in memory, and of what is computed.
        quantisation: Of the linear layers below the head; see ``models.quantise``.
        adapter: A PEFT adapter folder to put on top; refused if it does not fit.

    Raises:
        ModelError: The files cannot be loaded or lack weights; the adapter belongs to another
            model.
    """
    network, lacking = pretrained(folder, head, precision, quantisation)
    if head == "none":  # what pools the states of BERT is trained with another head
        lacking = [key for key in lacking if "pooler" not in key]
    refuse_random(folder, lacking)
    network = _adapted(network, folder, adapter)
    network.to(device).eval()
    return assemble(network, load_tokenizer(folder), device)


def load_with_head(
    folder: Path,
    head: Literal["sequence", "token"],
    labels: Sequence[str],
    *,
    problem: Problem = "single_label_classification",
    device: str = "cpu",
    precision: Precision = "float32",
    quantisation: Quantisation = "none",
    adapter: Path | None = None,
    seed: int = 0,
) -> Model:
    """Load an encoder or decoder with a head that scores labels.

    The folder's own head is kept if it was saved for the same labels in the same order. Otherwise
    the head is new, with random weights of the architecture's own kind.

    Args:
        folder: A model folder of any language model, or of a classifier.
        head: Scores for the whole ``sequence``, or for each ``token``.
        labels: What the scores stand for, in order; one for a regression.
        problem: Written into the configuration, so that transformers' own tools know the loss.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the weights in memory, and of what is computed.
        quantisation: Of the linear layers below the head; see ``models.quantise``.
        adapter: A PEFT adapter folder to put on top; refused if it does not fit.
        seed: Of a new head.

    Raises:
        ModelError: The files cannot be loaded, or weights below the head are missing; the
            architecture has no such head; the adapter belongs to another model.
    """
    import torch

    told = read_config(folder)
    torch.manual_seed(seed)
    names = {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    network, lacking = pretrained(folder, head, precision, quantisation, **names)
    body = f"{network.base_model_prefix}."
    refuse_random(folder, [k for k in lacking if k.startswith(body) and "pooler" not in k])
    stored = [name for _, name in sorted((told.get("id2label") or {}).items(), key=_number)]
    if type(network).__name__ in (told.get("architectures") or ()) and stored != list(labels):
        draw_head(network)
    tokenizer = load_tokenizer(folder)
    network.config.problem_type = problem
    if network.config.pad_token_id is None:  # decoders look for the last token before the padding
        network.config.pad_token_id = _first(tokenizer.pad_token_id, tokenizer.eos_token_id)
    network = _adapted(network, folder, adapter)
    network.to(device).eval()
    return assemble(network, tokenizer, device)


def _adapted(network: Any, folder: Path, adapter: Path | None) -> Any:
    """The network with the adapter that lies in its folder, and with the one asked for."""
    for found in (inside(folder), adapter):
        if found is not None:
            network = put(network, found)
    return network


def _number(entry: tuple[str, str]) -> int:
    return int(entry[0])


def _first(*ids: int | None) -> int | None:
    return next((i for i in ids if i is not None), None)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises plain ones
        raise ModelError(f"cannot load the tokenizer: {error}", where=str(folder)) from error


def assemble(network: Any, tokenizer: Any, device: str) -> Model:
    """Put a network and its tokenizer together as a ``Model``."""
    from luthier.models import virtual

    config = network.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    if config.model_type in _BEFORE_FIRST:
        limit -= (config.pad_token_id or 0) + 1
    limit = min(limit, 1 << 20) - virtual.count(network)
    return Model(network, tokenizer, int(limit), device)


def new(spec: ScratchSpec, tokenizer: Any, *, seed: int) -> Model:
    """A model with random weights, float32 on the CPU; it has no dropout.

    Args:
        spec: Its shape.
        tokenizer: Decides the vocabulary and the special tokens.
        seed: Of the random weights.
    """
    import torch

    from luthier.models._scratch import network

    if spec.hidden_size % spec.num_attention_heads:
        raise ModelError("num_attention_heads must divide hidden_size", where="model.scratch")
    torch.manual_seed(seed)
    return assemble(network(spec, tokenizer), tokenizer, "cpu")


def save(model: Model, folder: Path) -> None:
    """Write weights (safetensors, in their precision), tokenizer and template as a model folder.

    An adapter that is not folded into the weights goes to ``adapter/`` in it, and is put on again
    when the folder is loaded. Quantised layers are made whole first.
    """
    model.network = dequantise(model.network)
    with quietly():
        if on(model.network):
            save_with_base(model.network, folder)
        else:
            model.network.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
