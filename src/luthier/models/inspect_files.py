"""The files of a model, here or on the hub: what each is, and whether it is safe to load."""

from __future__ import annotations

import dataclasses
import pickletools
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, assert_never

from luthier.core.errors import ModelError, ResourceError
from luthier.core.spec import digest_file
from luthier.models.load import ModelSpec

Kind = Literal["weights", "pickle", "code", "settings", "card", "other weights", "other"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys((".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"), "pickle"),
    **dict.fromkeys((".gguf", ".onnx", ".h5", ".msgpack", ".tflite", ".npz"), "other weights"),
    **dict.fromkeys((".json", ".txt", ".model", ".jinja", ".vocab", ".tiktoken"), "settings"),
    **dict.fromkeys((".md", ".gitattributes", ".pdf", ".png", ".jpg", ".svg"), "card"),
    ".safetensors": "weights",
    ".py": "code",
}
_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("LICENSE", "NOTICE", "USE_POLICY", ".gitattributes", "LICENCE"), "card"),
    "training_args.bin": "pickle",
}
_SMALL = 64 << 20  # bytes; tokenizers of large vocabularies take 30 MB
_HUB_PATTERNS = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "README.md", "tokenizer*")
# What a pickle of tensors needs: anything else could be made to do harm.
_HARMLESS = re.compile(
    r"torch\.(\w+Storage|Size|device|dtype|\w*float\w*|u?int\d+|bool|Tensor)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2"
    r"|torch\.storage\.\w+Storage|torch\.nn\.parameter\.Parameter"
    r"|torch\.serialization\._get_layout|collections\.OrderedDict|_codecs\.encode"
    r"|numpy\.(ndarray|dtype)|numpy\._?core\.multiarray\.(_reconstruct|scalar)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class FileFact:
    """One file.

    Attributes:
        name: Within the model's folder.
        bytes: Its size; 0 if the hub does not tell.
        kind: What it is, by its name.
        sha256: Of weights; as the hub tells it, or of the file here. None for small files.
    """

    name: str
    bytes: int
    kind: Kind
    sha256: str | None


def local_files(folder: Path) -> list[FileFact]:
    """The files of a folder, hidden ones left out; weights are read whole for their digest."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            kind = kind_of(name)
            digest = digest_file(path) if kind in ("weights", "pickle", "other weights") else None
            found.append(FileFact(name, path.stat().st_size, kind, digest))
    return found


def hub_files(
    spec: ModelSpec, *, only_config: bool = False
) -> tuple[Path, list[FileFact], str, bool]:
    """The small files of a model on the hub, downloaded, and what is told of the others.

    Args:
        spec: Name, revision, and whether only what is in the cache may be used.
        only_config: Download no more than config.json.

    Returns:
        The folder, all files, the commit, and whether the model is gated.

    Raises:
        ModelError: There is no such model or revision, or it asks for consent first.
        ResourceError: The hub cannot be reached.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["config.json"] if only_config else list(_HUB_PATTERNS)
    try:
        if spec.offline or HF_HUB_OFFLINE:
            found = snapshot_download(
                spec.name, revision=spec.revision, local_files_only=True, allow_patterns=patterns
            )
            return Path(found), local_files(Path(found)), Path(found).name, False
        info = HfApi().model_info(spec.name, revision=spec.revision, files_metadata=True)
        files = [_told(one) for one in info.siblings or []]
        folder: Path | None = None
        for file in files:
            wanted = file.name == "config.json" if only_config else _is_small(file)
            if wanted and "/" not in file.name:
                # by the name of the revision: so it is found again offline
                here = hf_hub_download(spec.name, file.name, revision=spec.revision)
                folder = Path(here).parent
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"'{spec.name}' is neither here nor in the hub's cache, and the hub is not asked",
            where="model.name",
            mend="Name a local folder, or go online without `offline`.",
        ) from error
    except (HfHubHTTPError, ValueError) as error:
        raise _refused(spec.name, error) from error
    except Exception as error:
        own = type(error).__module__.startswith(("httpx", "httpcore", "requests"))
        if not own and not isinstance(error, OSError):
            raise
        raise ResourceError(
            f"no such folder here, and the hub cannot be reached: {error}",
            where=spec.name,
            mend="Name a folder that is here, or check the network.",
        ) from error
    if folder is None:
        raise ModelError("this model holds no config.json", where=spec.name)
    return folder, files, str(info.sha or ""), bool(info.gated)


def concerns(
    folder: Path, files: Sequence[FileFact], config: Mapping[str, Any], *, allow_pickle: bool
) -> tuple[str, list[str]]:
    """Why the weights are refused (nothing if they are not), and what else is worth knowing.

    Args:
        folder: Where the files are.
        files: All of them.
        config: The content of config.json.
        allow_pickle: Do not refuse weights that are pickles only and import nothing but tensors.
    """
    by: dict[str, list[FileFact]] = {}
    for file in files:
        by.setdefault(file.kind, []).append(file)
    found, refused = [], ""
    pickles = [f.name for f in by.get("pickle", [])]
    odd = {name: imports for name in pickles if (imports := odd_imports(folder / name))}
    if pickles and "weights" not in by and (odd or not allow_pickle):
        refused = f"the weights are pickles only ({pickles[0]}), and loading one can run any code"
        if not odd:
            refused += (
                ". Look for safetensors, or set model.allow_pickle: torch's unpickler for weights "
                "then reads it, which runs none"
            )
    elif pickles and "weights" in by:
        found.append(f"pickles beside safetensors are never loaded: {', '.join(pickles[:3])}")
    elif pickles:
        found.append(f"with model.allow_pickle torch's unpickler for weights reads {pickles[0]}")
    elif "weights" not in by:
        found.append("there are no weights among the files: it can be looked at, not loaded")
    for name, imports in odd.items():
        found.append(f"{name} would import {', '.join(imports[:5])}: tensors need no such thing")
    if "auto_map" in config:
        files_named = sorted({str(v).split(".")[0] for v in _values(config["auto_map"])})
        found.append(
            f"the model brings code of its own ({', '.join(files_named)}.py); Luthier never runs "
            "it, so it loads only if transformers knows the architecture"
        )
    elif "code" in by:
        found.append(f"code that nothing names: {', '.join(f.name for f in by['code'][:3])}")
    if "other" in by:
        found.append(f"files of unknown kind: {', '.join(f.name for f in by['other'][:5])}")
    return refused, found


def kind_of(name: str) -> Kind:
    """What a file is, by its name."""
    last = name.rpartition("/")[2]
    stem = last.partition(".")[0]
    return _NAMES.get(last) or _NAMES.get(stem) or _KINDS.get(Path(last).suffix.lower(), "other")


def odd_imports(path: Path) -> list[str]:
    """What a pickle of weights would import beside what tensors need; it is not executed.

    Args:
        path: A file of torch (a zip archive) or a plain pickle; one that is not here, or cannot be
            read, has none.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inner = [n for n in archive.namelist() if n.endswith(".pkl")]
                data = [archive.read(name) for name in inner]
        else:
            data = [path.read_bytes()]
    except OSError:
        return []
    names = {name for one in data for name in _imports(one)}
    return sorted(n for n in names if not _HARMLESS.fullmatch(n))


def _imports(data: bytes) -> set[str]:
    """Module and name of everything that a pickle asks for."""
    found, pushed, memo = set[str](), ["?", "?"], dict[int, str]()
    try:
        for operation, argument, _ in pickletools.genops(data):
            name = operation.name
            if name in ("GLOBAL", "INST"):
                found.add(str(argument).replace(" ", "."))
            elif name == "STACK_GLOBAL":
                found.add(".".join(pushed[-2:]))
            if name == "MEMOIZE" or name.endswith("PUT"):
                memo[len(memo) if argument is None else int(argument)] = pushed[-1]
            elif name.endswith("GET"):  # a name may have been put aside before
                pushed.append(memo.get(int(argument or 0), "?"))
            elif operation.stack_after:
                pushed.append(argument if isinstance(argument, str) else "?")
    except ValueError:  # not a pickle from here on
        pass
    return found


def _told(one: Any) -> FileFact:
    """A file as the hub tells it."""
    name, lfs = str(one.rfilename), one.lfs
    digest = None if lfs is None else (lfs["sha256"] if isinstance(lfs, dict) else lfs.sha256)
    return FileFact(name, int(one.size or 0), kind_of(name), digest)


def _is_small(file: FileFact) -> bool:
    match file.kind:
        case "settings":
            return file.bytes <= _SMALL
        case "card":
            return file.name == "README.md"
        case "weights" | "pickle" | "code" | "other weights" | "other":
            return False
        case _:
            assert_never(file.kind)


def _refused(name: str, error: Exception) -> ModelError:
    from huggingface_hub.errors import GatedRepoError

    if isinstance(error, GatedRepoError):
        return ModelError(
            f"'{name}' is gated: the hub wants an account that has accepted its terms",
            where="model.name",
            mend="Accept them on the model's page, then set the environment variable HF_TOKEN.",
        )
    lines = str(error).splitlines()
    return ModelError(
        f"no model '{name}' on the hub: {lines[0] if lines else type(error).__name__}",
        where="model.name",
        mend="Check name and revision; a private model needs HF_TOKEN.",
    )


def _values(named: Any) -> list[Any]:
    values = named.values() if isinstance(named, dict) else [named]
    return [v for value in values for v in (value if isinstance(value, list) else [value]) if v]
