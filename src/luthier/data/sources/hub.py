"""Source kind ``hub``: a split of a Hugging Face dataset, from a local folder or from the hub.

A hub dataset is fetched at one commit into the hub's own cache and read from there, or streamed
over the network; a folder is read where it is. Either way rows come one by one, as the library
``datasets`` gives them, with the names of classes in place of their numbers.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from luthier.core.errors import DataError, LuthierError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Progress
from luthier.core.secrets import Secret, redact, reveal
from luthier.core.spec import runtime
from luthier.data.sources._plain import plain
from luthier.data.sources.dialects import check_columns
from luthier.data.sources.files import counted, digest_files
from luthier.data.sources.raw import Raw, RowSource

if TYPE_CHECKING:
    from datasets import IterableDataset

_FAULTS = (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError, zlib.error)
_STARTS = (".", "/", "~")


class HubSource(RowSource):
    """A dataset as the library ``datasets`` knows it: of the Hugging Face hub, or a folder."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["hub"] = "hub"
    name: str = Field(min_length=1)
    """A hub id, or a folder (data files, or ``save_to_disk``) relative to the project file."""
    revision: str | None = Field(default=None, min_length=1)
    """Branch, tag or commit of a hub dataset; its main branch if null. A commit stays the same."""
    config: str | None = Field(default=None, min_length=1)
    """Which of its configurations (also called subsets), where it has several."""
    split: str = Field(default="train", min_length=1)
    """Which of its splits."""
    streaming: bool = runtime(default=False)
    """Read over the network as rows are needed, without downloading the dataset."""
    offline: bool = runtime(default=False)
    """Never ask the hub: only folders and what its cache already holds."""
    token: Secret | None = None
    """Environment variable with the hub's token, as ``${NAME}``; the hub's own login if null."""

    @model_validator(mode="after")
    def _can_stream(self) -> Self:
        if self.streaming and self.offline:
            raise ValueError("`streaming` needs the network: it cannot be `offline`")
        return self


def read_hub(source: HubSource, base: Path, ledger: Ledger, progress: Progress) -> Iterator[Raw]:
    """Read the rows of a split, one by one.

    Args:
        source: What to read.
        base: Folder that relative paths start from.
        ledger: Not needed: a dataset has no bad rows. Here so that all sources read alike.
        progress: Counts the rows.

    Yields:
        Rows with the origin ``name/split:index``, ``name/config/split:index`` if a configuration
        is named. The index counts from 0, as in ``datasets`` and in the hub's viewer. Pictures and
        sounds are not decoded.

    Raises:
        ConfigError: The environment variable of the token is missing.
        DataError: The dataset, revision, configuration or split is missing or denied, a file of it
            is damaged, or it lacks needed columns.
        ResourceError: The library ``datasets`` is not installed.
    """
    title = "/".join(part for part in (source.name, source.config, source.split) if part)
    with _failing(source):
        split = _open(source, base)
        features = split.features or {}
        if features:
            check_columns(list(features), source, title)
        convert = {column: _converter(feature) for column, feature in features.items()}
        rows = iter(split)
    yield from counted(_rows(rows, convert, title, source), f"Reading {title}", progress)


def digest_hub(source: HubSource, base: Path) -> str:
    """A digest of the dataset: of a folder's files, or the commit of a hub dataset.

    Raises:
        ConfigError, DataError, ResourceError: As ``read_hub``.
    """
    folder = _folder(source, base)
    if folder is None:
        with _failing(source):
            return _snapshot(source, ["README.md"]).name
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return digest_files([(p.relative_to(folder).as_posix(), p) for p in files])


def _rows(
    rows: Iterator[dict[str, Any]],
    convert: dict[str, Callable[[Any], Any]],
    title: str,
    source: HubSource,
) -> Iterator[Raw]:
    index = 0
    while True:
        with _failing(source):
            row = next(rows, None)
        if row is None:
            return
        values = {column: convert.get(column, plain)(value) for column, value in row.items()}
        yield Raw(values, f"{title}:{index}")
        index += 1


def _folder(source: HubSource, base: Path) -> Path | None:
    """The folder that is meant; None if it is a hub dataset.

    Raises:
        DataError: It is meant as a folder, and there is none.
    """
    folder = base / Path(source.name).expanduser()
    if folder.is_dir():
        return folder
    if source.name.startswith(_STARTS) or source.name.count("/") > 1 or folder.exists():
        raise DataError(
            "no such folder", where=source.name, mend="Check `name` in the project file."
        )
    return None


def _open(source: HubSource, base: Path) -> IterableDataset:
    """The split, ready to be iterated over."""
    import datasets

    folder = _folder(source, base)
    with _no_bars():
        if folder is None and source.streaming:
            commit = _snapshot(source, ["README.md"]).name
            found = datasets.load_dataset(
                source.name,
                source.config,
                revision=commit,
                streaming=True,
                token=reveal(source.token) if source.token else None,
            )
            return _undecoded(_split(found, source))
        folder = folder or _snapshot(source, None)
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            found = datasets.load_from_disk(str(folder))
            if not isinstance(found, dict):
                found = {str(found.split or source.split): found}
            return _split(found, source).to_iterable_dataset().decode(False)
        found = datasets.load_dataset(str(folder), source.config, streaming=True)
        return _undecoded(_split(found, source))


def _undecoded(split: IterableDataset) -> IterableDataset:
    """The same, its pictures and sounds left as they are."""
    if split.features is None:
        next(iter(split))  # raises why its columns cannot be told
        return split
    return split.decode(False)


def _split(found: dict[str, Any], source: HubSource) -> Any:
    if source.split not in found:
        raise DataError(
            f"no split named '{source.split}'",
            where=source.name,
            mend=f"It has: {', '.join(found)}.",
        )
    return found[source.split]


def _snapshot(source: HubSource, patterns: list[str] | None) -> Path:
    """The folder of the hub's cache that holds the files of one commit, and is called like it."""
    from huggingface_hub import snapshot_download

    with _no_bars():
        found = snapshot_download(
            source.name,
            repo_type="dataset",
            revision=source.revision,
            local_files_only=source.offline,
            allow_patterns=patterns,
            token=reveal(source.token) if source.token else None,
        )
    return Path(found)


def _converter(feature: Any) -> Callable[[Any], Any]:
    """What turns a value of this feature into plain data, class numbers into names."""
    if hasattr(feature, "int2str"):
        names = list(feature.names)
        return lambda value: (
            names[value] if isinstance(value, int) and 0 <= value < len(names) else None
        )
    if getattr(feature, "dtype", "") == "float32":  # 0.1, not 0.10000000149011612
        return lambda value: None if value is None else plain(float(str(np.float32(value))))
    if isinstance(feature, list):  # how older versions write a list
        return _each(_converter(feature[0]))
    if hasattr(feature, "feature"):  # List and LargeList
        return _each(_converter(feature.feature))
    if isinstance(feature, dict):
        each = {key: _converter(one) for key, one in feature.items()}
        return lambda value: (
            None
            if value is None
            else {key: each.get(key, plain)(one) for key, one in value.items()}
        )
    return plain


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: None if values is None else [convert(value) for value in values]


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Switch the libraries' own bars off for a while."""
    import datasets
    from huggingface_hub import utils as hub_utils

    utils: Any = hub_utils
    ours, theirs = datasets.are_progress_bars_disabled(), utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    utils.disable_progress_bars()
    try:
        yield
    finally:
        if not ours:
            datasets.enable_progress_bars()
        if not theirs:
            utils.enable_progress_bars()


@contextlib.contextmanager
def _failing(source: HubSource) -> Iterator[None]:
    """Turn what the libraries raise into one clear message without secrets."""
    try:
        import datasets.exceptions as told
        from huggingface_hub import errors
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"the library '{error.name}' is not installed",
            where=source.name,
            mend="pip install 'luthier[data]'",
        ) from None
    try:
        yield
    except LuthierError:
        raise
    except errors.GatedRepoError:
        _raise("the hub asks for a permission for this dataset", source, "Set `token`.")
    except errors.RevisionNotFoundError:
        _raise(f"the hub knows no revision '{source.revision}' of it", source, "Check `revision`.")
    except errors.RepositoryNotFoundError:
        _raise("no such dataset on the hub, or it is private", source, "Check `name` and `token`.")
    except errors.HFValidationError:
        _raise("neither a folder nor the id of a hub dataset", source, "Check `name`.")
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        _raise(
            "no such folder, and the hub cannot be reached or is not to be asked",
            source,
            "Check `name`, `offline` and the network.",
        )
    except StopIteration:
        _raise("it holds no rows", source, "Check its files.")
    except (told.DatasetsError, *_FAULTS) as error:
        said = error.__cause__ if isinstance(error, told.DatasetGenerationError) else error
        _raise(f"cannot be read: {_short(said or error)}", source, "Check `name` and `config`.")


def _raise(what: str, source: HubSource, mend: str) -> NoReturn:
    raise DataError(what, where=source.name, mend=mend) from None


def _short(error: BaseException) -> str:
    return " ".join(redact(error).split())[:300] or type(error).__name__
