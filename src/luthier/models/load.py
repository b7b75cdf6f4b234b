"""Stage 2: find a model by name, check its files, load it; or make a new one from scratch."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from luthier.core.errors import ModelError, ResourceError
from luthier.core.spec import Spec, digest_file, digest_of, runtime
from luthier.models._quiet import no_bars

if TYPE_CHECKING:
    from luthier.models.render import Renderer

MODEL_VERSION = 1
STARTER = "starter"
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


class ScratchSpec(Spec):
    """The shape of a new Llama-architecture model with random weights, and its vocabulary."""

    vocab_size: int = Field(8192, ge=300)
    """Entries of the byte-level BPE vocabulary trained on the corpus."""
    hidden_size: int = Field(256, ge=8)
    """Width of the residual stream."""
    intermediate_size: int = Field(704, ge=8)
    """Width of the gated MLP."""
    num_hidden_layers: int = Field(6, ge=1)
    """Transformer blocks."""
    num_attention_heads: int = Field(4, ge=1)
    """Attention heads; must divide hidden_size."""
    max_position_embeddings: int = Field(1024, ge=16)
    """Context length in tokens."""


class ModelSpec(Spec):
    """Which model to start from."""

    name: str = STARTER
    """``starter`` (ships with Luthier), a local folder, a hub id, or ``scratch``."""
    revision: str | None = None
    """Hub revision (branch, tag or commit)."""
    scratch: ScratchSpec | None = None
    """The shape of the new model when name is ``scratch``."""
    offline: bool = runtime(default=False)
    """Never ask the hub: only local folders and files already in the cache."""


@dataclasses.dataclass(slots=True)
class Model:
    """A loaded model: network, tokenizer and renderer that belong together.

    Attributes:
        network: A ``transformers`` causal language model.
        tokenizer: Its tokenizer.
        renderer: Messages to token ids, with the tokenizer's template.
        context_length: Longest prompt plus answer, in tokens.
        device: Where the weights are (``cpu``, ``cuda``).
    """

    network: Any
    tokenizer: Any
    renderer: Renderer
    context_length: int
    device: str

    @property
    def parameters(self) -> int:
        """Number of weights, tied ones counted once."""
        return sum(p.numel() for p in self.network.parameters())


def find(spec: ModelSpec, base: Path) -> Path:
    """The local folder of a model, downloaded from the hub if need be.

    Args:
        spec: The model.
        base: Folder that relative paths start from (the project file's).

    Raises:
        ModelError: No such folder or hub model, or the folder lacks a file.
    """
    if spec.name == STARTER:
        folder = Path(__file__).parent / "starter"
    elif (base / Path(spec.name).expanduser()).is_dir():
        folder = base / Path(spec.name).expanduser()
    elif spec.name.startswith((".", "/", "~")):
        raise ModelError("no such model folder", where=spec.name, mend="Check model.name.")
    else:
        folder = _download(spec)
    return check_folder(folder)


def check_folder(folder: Path) -> Path:
    """Return the folder if it holds a loadable model.

    Raises:
        ModelError: A file is missing, or the weights are pickles.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise ModelError("not a model folder: config.json is missing", where=str(folder))
    if not any(folder.glob("*.safetensors")):
        pickles = [p.name for p in folder.glob("*.bin")]
        what = f"weights are pickles ({pickles[0]})" if pickles else "no *.safetensors weights"
        raise ModelError(
            f"{what}; Luthier loads safetensors only, since a pickle can run any code",
            where=str(folder),
            mend="Convert the weights with transformers' save_pretrained.",
        )
    if (
        not (folder / "tokenizer.json").is_file()
        and not (folder / "tokenizer_config.json").is_file()
    ):
        raise ModelError("no tokenizer in the model folder", where=str(folder))
    return folder


def folder_digest(folder: Path) -> str:
    """SHA-256 (hex) over the contents of a model folder's weights, config and tokenizer."""
    files = sorted([*folder.glob("*.safetensors"), *(folder / f for f in _FILES)])
    return digest_of({f.name: digest_file(f) for f in files if f.is_file()})


def facts(folder: Path) -> dict[str, Any]:
    """What a model folder says of itself without loading the weights.

    Returns:
        architecture, parameters, layers, hidden_size, vocab_size, context_length, bytes.

    Raises:
        ModelError: config.json or the weights cannot be read.
    """
    config = _config(folder)
    config = {**config, **(config.get("text_config") or {})}
    return {
        "name": folder.name,
        "architecture": (config.get("architectures") or [config.get("model_type", "?")])[0],
        "parameters": _count_parameters(folder),
        "layers": config.get("num_hidden_layers", config.get("n_layer", 0)),
        "hidden_size": config.get("hidden_size", config.get("n_embd", 0)),
        "vocab_size": config.get("vocab_size", 0),
        "context_length": config.get("max_position_embeddings", config.get("n_positions", 0)),
        "bytes": sum(f.stat().st_size for f in _weights(folder)),
        "digest": folder_digest(folder),
    }


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
    precision: Literal["float32", "bfloat16"] = "float32",
    adapter: Path | None = None,
) -> Model:
    """Load a causal language model, its tokenizer and its renderer.

    Args:
        folder: A model folder (see ``find``).
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Of the weights in memory.
        adapter: A PEFT adapter folder to put on top; refused if it does not fit.

    Raises:
        ModelError: The files cannot be loaded, lack weights, or have no chat template; the
            adapter belongs to another model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    check_folder(folder)
    _config(folder)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    try:
        with no_bars():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # safetensors, transformers and torch each raise their own
        raise ModelError(f"cannot load this model: {error}", where=str(folder)) from error
    network, report = loaded
    lacking = sorted({*report["missing_keys"], *(str(k[0]) for k in report["mismatched_keys"])})
    if lacking:
        raise ModelError(
            f"{len(lacking)} weights are missing or of another shape than config.json says "
            f"({lacking[0]}): they would be random",
            where=str(folder),
        )
    if adapter is not None:
        network = _with_adapter(network, adapter)
    network.to(device).eval()
    return assemble(network, load_tokenizer(folder), device)


def _with_adapter(network: Any, adapter: Path) -> Any:
    """Put an adapter on a network; PEFT itself only warns of weights that find no place."""
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    weights = adapter / "adapter_model.safetensors"
    if not (adapter / "adapter_config.json").is_file() or not weights.is_file():
        raise ModelError(
            "not an adapter folder: adapter_config.json or adapter_model.safetensors is missing",
            where=str(adapter),
        )
    try:
        config = PeftConfig.from_pretrained(str(adapter))
        network = get_peft_model(network, config)
        result: Any = set_peft_model_state_dict(network, load_file(weights))
    except Exception as error:  # peft and safetensors each raise their own
        raise ModelError(f"the adapter does not fit: {error}", where=str(adapter)) from error
    name = f".{network.active_adapter}"
    unfilled = [k for k in result.missing_keys if "lora_" in k and name in k]
    if unfilled or result.unexpected_keys:
        raise ModelError(
            f"the adapter belongs to another model: {len(unfilled)} of its places stay empty, "
            f"{len(result.unexpected_keys)} of its weights find none",
            where=str(adapter),
            mend="Use it with the base model it was trained on.",
        )
    return network.requires_grad_(False)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises plain ones
        raise ModelError(f"cannot load the tokenizer: {error}", where=str(folder)) from error


def assemble(network: Any, tokenizer: Any, device: str) -> Model:
    """Put a network and its tokenizer together as a ``Model``."""
    from luthier.models.render import Renderer

    config = network.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    return Model(network, tokenizer, Renderer(tokenizer), int(min(limit, 1 << 20)), device)


def new(spec: ScratchSpec, tokenizer: Any, *, seed: int) -> Model:
    """A Llama-architecture model with random weights, float32 on the CPU.

    Args:
        spec: Its shape.
        tokenizer: Decides the vocabulary and the special tokens.
        seed: Of the random weights.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if spec.hidden_size % spec.num_attention_heads:
        raise ModelError("num_attention_heads must divide hidden_size", where="model.scratch")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.num_hidden_layers,
        num_attention_heads=spec.num_attention_heads,
        num_key_value_heads=spec.num_attention_heads,
        max_position_embeddings=spec.max_position_embeddings,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    return assemble(LlamaForCausalLM(config), tokenizer, "cpu")


def save(model: Model, folder: Path) -> None:
    """Write weights (safetensors, in their precision), tokenizer and template as a model folder."""
    with no_bars():
        model.network.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)


def _download(spec: ModelSpec) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.jinja", "tokenizer*", "*.txt", "*.model"]
    try:
        found = snapshot_download(
            spec.name,
            revision=spec.revision,
            local_files_only=spec.offline,
            allow_patterns=patterns,
        )
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"'{spec.name}' is not a local folder, and the model hub cannot be reached",
            where="model.name",
            mend="Use `starter`, a local folder, or check the network.",
        ) from error
    except (HfHubHTTPError, ValueError) as error:
        raise ModelError(
            f"no model '{spec.name}' on the hub: {error}", where="model.name"
        ) from error
    except OSError as error:
        raise ResourceError(f"the download failed: {error}", where=spec.name) from error
    return Path(found)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"config.json cannot be read: {error}", where=str(path)) from error
    if not isinstance(config, dict):
        raise ModelError("config.json is not a JSON object", where=str(path))
    return config


def _weights(folder: Path) -> list[Path]:
    """The weight files that are loaded; a folder may hold the same weights in another layout."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ModelError(f"the index cannot be read: {error}", where=str(index)) from error
        return sorted(folder / name for name in names if (folder / name).is_file())
    return sorted(folder.glob("*.safetensors"))


def _count_parameters(folder: Path) -> int:
    from safetensors import SafetensorError, safe_open

    total = 0
    for file in _weights(folder):
        try:
            with safe_open(file, framework="numpy") as tensors:
                for key in tensors.keys():  # noqa: SIM118  (safe_open is no mapping)
                    total += math.prod(tensors.get_slice(key).get_shape())
        except (OSError, SafetensorError) as error:
            raise ModelError(f"the weights cannot be read: {error}", where=str(file)) from error
    return total
