"""What a model folder holds, read without loading the weights: checks, digest, facts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import ModelError
from luthier.core.spec import digest_file, digest_of
from luthier.models.adapter import CONFIG, INSIDE, WEIGHTS
from luthier.models.hub import commit

_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    *("vocab.json", "vocab.txt", "merges.txt", "tokenizer.model"),
)


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
            mend="Convert the weights with transformers' save_pretrained"
            + (", or set `model.allow_pickle: true`." if pickles else "."),
        )
    if (
        not (folder / "tokenizer.json").is_file()
        and not (folder / "tokenizer_config.json").is_file()
    ):
        raise ModelError("no tokenizer in the model folder", where=str(folder))
    return folder


def folder_digest(folder: Path) -> str:
    """SHA-256 (hex) over a model folder's weights, config, tokenizer, and adapter if it has one."""
    files = sorted([*folder.glob("*.safetensors"), *(folder / f for f in _FILES)])
    files += [folder / INSIDE / CONFIG, folder / INSIDE / WEIGHTS]
    found = (f for f in files if f.is_file())
    return digest_of({f.relative_to(folder).as_posix(): digest_file(f) for f in found})


def has_template(folder: Path) -> bool:
    """Whether a model folder holds a chat template; its tokenizer is not loaded."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_templates").is_dir():
        return True
    try:
        told = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and bool(told.get("chat_template"))


def no_template(where: object) -> ModelError:
    """What is said of a model without a chat template."""
    return ModelError(
        "this model has no chat template",
        where=str(where),
        mend="Choose an instruction-tuned model, or put a chat_template.jinja beside it.",
    )


def facts(folder: Path) -> dict[str, Any]:
    """What a model folder says of itself without loading the weights.

    Returns:
        name, revision (the hub's commit, if it was fetched), architecture, parameters, layers,
        hidden_size, vocab_size, context_length, bytes, digest.

    Raises:
        ModelError: config.json or the weights cannot be read.
    """
    config = read_config(folder)
    config = {**config, **(config.get("text_config") or {})}
    return {
        "name": folder.name,
        "revision": commit(folder),
        "architecture": (config.get("architectures") or [config.get("model_type", "?")])[0],
        "parameters": count_weights(weight_files(folder)),
        "layers": config.get("num_hidden_layers", config.get("n_layer", 0)),
        "hidden_size": config.get("hidden_size", config.get("n_embd", 0)),
        "vocab_size": config.get("vocab_size", 0),
        "context_length": config.get("max_position_embeddings", config.get("n_positions", 0)),
        "bytes": sum(f.stat().st_size for f in weight_files(folder)),
        "digest": folder_digest(folder),
    }


def read_config(folder: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        ModelError: It cannot be read, or is no JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"config.json cannot be read: {error}", where=str(path)) from error
    if not isinstance(config, dict):
        raise ModelError("config.json is not a JSON object", where=str(path))
    return config


def weight_files(folder: Path) -> list[Path]:
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


def count_weights(files: Iterable[Path]) -> int:
    """Number of weights in safetensors files, from their headers.

    Raises:
        ModelError: One cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    total = 0
    for file in files:
        try:
            with safe_open(file, framework="numpy") as tensors:
                for key in tensors.keys():  # noqa: SIM118  (safe_open is no mapping)
                    part = tensors.get_slice(key)
                    shape = part.get_shape()
                    if not _is_buffer(key, part.get_dtype(), shape):
                        total += math.prod(shape)
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"the weights cannot be read: {error}",
                where=str(file),
                mend="Copy or download the file again.",
            ) from error
    return total


def _is_buffer(name: str, dtype: str, shape: Sequence[int]) -> bool:
    """Whether a tensor is no weight: old versions of transformers wrote positions and masks too."""
    if dtype in ("I64", "BOOL") or name.endswith(("rotary_emb.inv_freq", "attn.masked_bias")):
        return True
    return name.endswith("attn.bias") and len(shape) == 4  # GPT-2's triangle
