"""What a model is, before it is loaded: files, config, card, tokenizer, chat template, adapter.

Nothing is executed: no code of the model, no pickle. Of a model on the hub only small files are
downloaded.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luthier.core.errors import ConfigError, ModelError
from luthier.models.adapter import CONFIG as ADAPTER, WEIGHTS as ADAPTER_WEIGHTS
from luthier.models.card import front_matter, licence
from luthier.models.encode import minilm_folder
from luthier.models.folder import count_weights, read_config, weight_files
from luthier.models.inspect_chat import Check, Tokens, chat_checks, tokens_of
from luthier.models.inspect_files import FileFact, concerns, hub_files, local_files
from luthier.models.load import MINILM, STARTER, ModelSpec

# What of a card's front matter is worth knowing, under the card's own names.
CARD_KEYS = ("language", "datasets", "base_model", "pipeline_tag", "tags", "library_name")


@dataclasses.dataclass(frozen=True, slots=True)
class AdapterFacts:
    """An adapter as PEFT saves it.

    Attributes:
        peft_type: ``LORA``, ``IA3`` ...
        rank: Of a low-rank adapter; None for others.
        alpha: Its scale.
        targets: Names of the layers it sits on.
        base: The model it belongs to, as it names it.
        base_folder: Where that is on this machine; None if it is not.
        parameters: Weights of the adapter; None if they are not here.
    """

    peft_type: str
    rank: int | None
    alpha: float | None
    targets: tuple[str, ...]
    base: str
    base_folder: str | None
    parameters: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Inspection:
    """What was found.

    Attributes:
        name: As it was asked for.
        kind: ``model``, ``adapter`` or ``config`` (a bare config.json).
        folder: Where the files are on this machine.
        revision: The commit of a model on the hub; empty for local ones.
        config: The content of config.json; of an adapter its base's, empty if that is not here.
        files: Every file, with what it is.
        parameters: Weights as the files hold them; None where they were not downloaded.
        licence: As the card names it; None if it names none.
        card: Facts of the card.
        gated: The hub asks for an account or consent.
        tokens: The tokenizer, and how it cuts the user's texts; None without one.
        chat: Checks of the chat template.
        adapter: Facts of an adapter; None for models.
        refused: Why the weights will not be loaded; empty if they will.
        concerns: What else one should know of the files.
    """

    name: str
    kind: str
    folder: str
    revision: str
    config: dict[str, Any]
    files: tuple[FileFact, ...]
    parameters: int | None
    licence: str | None
    card: dict[str, Any]
    gated: bool
    tokens: Tokens | None
    chat: tuple[Check, ...]
    adapter: AdapterFacts | None
    refused: str
    concerns: tuple[str, ...]


def inspect(
    spec: ModelSpec, base: Path, texts: Sequence[str] = (), *, allow_pickle: bool = False
) -> Inspection:
    """Look at a model, an adapter or a bare config.json.

    Args:
        spec: Its name (a folder, a file, a hub id), revision, and whether to stay offline.
        base: Folder that relative paths start from.
        texts: The user's own, to see how many tokens a word takes.
        allow_pickle: Do not refuse weights that are pickles; what they would import is listed.

    Raises:
        ModelError: There is no such model, it asks for consent, or its config cannot be read.
    """
    path = local_path(spec.name, base)
    if path is not None and path.is_file():
        return _bare(spec.name, path)
    if path is not None:
        folder, files, revision, gated = path, local_files(path), "", False
    else:
        folder, files, revision, gated = hub_files(spec)
    adapter = _adapter(folder, base) if (folder / ADAPTER).is_file() else None
    if adapter is None and not (folder / "config.json").is_file():
        raise ModelError(
            "neither a model nor an adapter: config.json is missing", where=str(spec.name)
        )
    config = read_config(folder) if adapter is None else _base_config(adapter)
    refused, others = concerns(folder, files, config, allow_pickle=allow_pickle)
    tokens, tokenizer = tokens_of(_tokenizer_folder(folder, adapter), texts)
    card = front_matter(folder)
    return Inspection(
        name=spec.name,
        kind="model" if adapter is None else "adapter",
        folder=str(folder),
        revision=revision,
        config=config,
        files=tuple(files),
        parameters=_weights(folder) if adapter is None else adapter.parameters,
        licence=licence(folder),
        card={key: card[key] for key in CARD_KEYS if card.get(key)},
        gated=gated,
        tokens=tokens,
        chat=() if tokenizer is None else tuple(chat_checks(tokenizer)),
        adapter=adapter,
        refused=refused,
        concerns=tuple(others),
    )


def config_of(spec: ModelSpec, base: Path) -> dict[str, Any]:
    """The content of a model's config.json; nothing else is downloaded.

    Args:
        spec: The model; of one made from scratch, the config that it will have.
        base: Folder that relative paths start from.

    Raises:
        ConfigError: A model from scratch has no shape.
        ModelError: There is no such model, or its config cannot be read.
    """
    if spec.name == "scratch":
        if spec.scratch is None:
            raise ConfigError("a new model needs its shape", where="model.scratch")
        from luthier.models._scratch import settings

        config: dict[str, Any]
        config = settings(spec.scratch, bos_token_id=None, eos_token_id=None).to_dict()
        return config
    path = local_path(spec.name, base)
    if path is None:
        path = hub_files(spec, only_config=True)[0]
    return read_config(path if path.is_dir() else path.parent)


def local_path(name: str, base: Path) -> Path | None:
    """The folder or file that a name means on this machine; None for a name of the hub.

    Raises:
        ModelError: It is clearly a path, and nothing is there.
        ResourceError: The package of MiniLM is not installed.
    """
    if name == STARTER:
        return Path(__file__).parent / "starter"
    if name == MINILM:
        return minilm_folder()
    path = base / Path(name).expanduser()
    if path.exists():
        return path
    if name.startswith((".", "/", "~")) or name.endswith(".json"):
        raise ModelError("no such file or folder", where=name)
    return None


def _bare(name: str, path: Path) -> Inspection:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"this is no config.json: {error}", where=str(path)) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ModelError("this is no config.json: it lacks 'model_type'", where=str(path))
    return Inspection(
        name=name,
        kind="config",
        folder=str(path.parent),
        revision="",
        config=config,
        files=(),
        parameters=None,
        licence=None,
        card={},
        gated=False,
        tokens=None,
        chat=(),
        adapter=None,
        refused="",
        concerns=(),
    )


def _adapter(folder: Path, base: Path) -> AdapterFacts:
    try:
        own = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{ADAPTER} cannot be read: {error}", where=str(folder)) from error
    targets = own.get("target_modules") or ()
    name = str(own.get("base_model_name_or_path") or "")
    weights = folder / ADAPTER_WEIGHTS
    found = _base_folder(name, base)
    return AdapterFacts(
        peft_type=str(own.get("peft_type") or "?"),
        rank=own.get("r"),
        alpha=own.get("lora_alpha"),
        targets=(targets,) if isinstance(targets, str) else tuple(sorted(targets)),
        base=name,
        base_folder=None if found is None else str(found),
        parameters=count_weights([weights]) if weights.is_file() else None,
    )


def _base_folder(name: str, base: Path) -> Path | None:
    """Where an adapter's base is: a folder, or the hub's cache."""
    if not name:
        return None
    for folder in (Path(name).expanduser(), base / Path(name).expanduser()):
        if (folder / "config.json").is_file():
            return folder
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def _base_config(adapter: AdapterFacts) -> dict[str, Any]:
    return {} if adapter.base_folder is None else read_config(Path(adapter.base_folder))


def _tokenizer_folder(folder: Path, adapter: AdapterFacts | None) -> Path:
    """An adapter may bring no tokenizer: then its base's is looked at."""
    own = any((folder / n).is_file() for n in ("tokenizer.json", "tokenizer_config.json"))
    if own or adapter is None or adapter.base_folder is None:
        return folder
    return Path(adapter.base_folder)


def _weights(folder: Path) -> int | None:
    files = weight_files(folder)
    return count_weights(files) if files else None
