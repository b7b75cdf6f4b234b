"""The model hub: what is fetched from it, and how it is left alone."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from luthier.core.errors import ModelError, ResourceError

_FILES = ("*.json", "*.safetensors", "*.jinja", "tokenizer*", "*.txt", "*.model")
_PICKLES = ("pytorch_model*.bin",)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def go_offline() -> None:
    """Forbid Hugging Face's libraries the network, telemetry too, for the rest of the process.

    Its children inherit it. A library that is imported already is told as well.
    """
    os.environ.update(_QUIET)
    for module, name in (("huggingface_hub", "HF_HUB_OFFLINE"), ("datasets", "HF_HUB_OFFLINE")):
        constants = sys.modules.get(f"{module}.constants") or sys.modules.get(f"{module}.config")
        if constants is not None:
            setattr(constants, name, True)


def is_offline() -> bool:
    """Whether the network is forbidden, by us or by the user's environment."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def fetch(name: str, revision: str | None, *, pickles: bool = False) -> Path:
    """The files of a hub model, from the cache or from the hub.

    Args:
        name: ``owner/name``.
        revision: Branch, tag or commit; None for the main branch.
        pickles: Fetch pickled weights too, where there are no others.

    Returns:
        Its folder in the hub's cache, named by the commit.

    Raises:
        ModelError: It is not in the cache and the network is forbidden or down, or there is no
            such model.
        ResourceError: The download failed.
    """
    folder = _snapshot(name, revision, _FILES)
    if pickles and not any(folder.glob("*.safetensors")):
        folder = _snapshot(name, revision, (*_FILES, *_PICKLES))
    return folder


def cached(name: str, revision: str | None) -> Path | None:
    """The folder of a hub model whose weights are in the cache, or None; no network is asked."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (OSError, ValueError):  # not there, or no name of a model
        return None
    return folder if any(folder.glob("*.safetensors")) else None


def commit(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache holds; None for any other folder."""
    known = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if known else None


def _snapshot(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    offline = is_offline()
    try:
        found = snapshot_download(
            name, revision=revision, local_files_only=offline, allow_patterns=list(patterns)
        )
    except LocalEntryNotFoundError as error:
        at = f" at {revision}" if revision else ""
        if offline:
            raise ModelError(
                f"'{name}'{at} is no local folder and not in the hub's cache, and the network is "
                "forbidden (model.offline, or HF_HUB_OFFLINE)",
                where="model.name",
                mend=f"Fetch it where there is a network: `hf download {name}`.",
            ) from error
        raise ModelError(
            f"'{name}'{at} is not a local folder, and the model hub cannot be reached",
            where="model.name",
            mend="Use `starter`, a local folder, or check the network.",
        ) from error
    except (HfHubHTTPError, ValueError) as error:
        raise ModelError(f"no model '{name}' on the hub: {error}", where="model.name") from error
    except OSError as error:
        raise ResourceError(f"the download failed: {error}", where=name) from error
    return Path(found)
