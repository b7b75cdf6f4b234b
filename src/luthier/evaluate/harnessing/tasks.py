"""Tasks of lm-evaluation-harness: a YAML file with local data, opened without the network."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError, ResourceError

_SUFFIXES = (".yaml", ".yml")


@dataclasses.dataclass(frozen=True, slots=True)
class HarnessTask:
    """A task that is ready to be asked.

    Attributes:
        name: As the harness calls it.
        task: The harness's ``Task``.
        path: The file that was named; None for a task that the harness brings along.
        config: Its settings as plain JSON, functions as their source.
        digest: SHA-256 (hex) of the settings, and of the rows that are asked and shown.
    """

    name: str
    task: Any
    path: Path | None
    config: dict[str, Any]
    digest: str


def open_tasks(
    told: str, *, shots: int | None, limit: int | None, seed: int, online: bool
) -> list[HarnessTask]:
    """The tasks that a YAML file, or a name of the harness, stands for.

    Files that a task names are looked for beside it.

    Args:
        told: A YAML file; or the name of a task or a group that the harness brings along.
        shots: Worked examples before each question; None: as many as the task says.
        limit: Only the first so many rows; None for all.
        seed: Of the choice of examples.
        online: Rows may be fetched from the hub. Otherwise the network is forbidden for the rest
            of the process.

    Raises:
        ResourceError: lm-evaluation-harness is not installed.
        DataError: There is no such task, or its rows are not on this machine.
    """
    path = Path(told)
    if path.suffix in _SUFFIXES and not path.is_file():
        raise DataError("no such task", where=told, mend="Name the YAML file of a task.")
    if not online:
        _go_offline()
    with _installed():
        import lm_eval.tasks
    own = path.suffix in _SUFFIXES
    whole = path.resolve()
    folder = whole.parent if own else Path.cwd()
    with quiet(), _explained(told, online), contextlib.chdir(folder):
        manager = lm_eval.tasks.TaskManager(include_defaults=not own)
        loaded = manager.load(str(whole) if own else told)["tasks"]
        return [
            _prepared(name, task, path if own else None, shots, limit, seed)
            for name, task in loaded.items()
        ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The harness says nothing and draws no bars, but for errors."""
    import datasets
    import lm_eval.api.task

    logger, bar = logging.getLogger("lm_eval"), lm_eval.api.task.tqdm
    level, shown = logger.level, not datasets.utils.logging.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    lm_eval.api.task.tqdm = functools.partial(bar, disable=True)
    try:
        yield
    finally:
        logger.setLevel(level)
        lm_eval.api.task.tqdm = bar
        if not shown:
            datasets.enable_progress_bars()


def _go_offline() -> None:
    import os
    import sys

    from luthier.models.hub import go_offline

    go_offline()
    os.environ["HF_EVALUATE_OFFLINE"] = "1"
    known = sys.modules.get("evaluate.config")
    if known is not None:
        known.HF_EVALUATE_OFFLINE = True  # type: ignore[attr-defined]


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"the harness needs the library '{error.name}'", mend="pip install 'luthier[harness]'"
        ) from error


@contextlib.contextmanager
def _explained(told: str, online: bool) -> Iterator[None]:
    """What the harness and its libraries say of a task they cannot open, as a ``DataError``."""
    import yaml  # type: ignore[import-untyped]

    try:
        yield
    except (ConnectionError, FileNotFoundError) as error:
        raise DataError(
            f"rows of this task are not on this machine: {_first_line(error)}",
            where=told,
            mend="Name local files: `dataset_path: json` and "
            "`dataset_kwargs: {data_files: {test: rows.jsonl}}`"
            + ("." if online else "; or let them be fetched: --online."),
        ) from error
    except (KeyError, ValueError, TypeError, AttributeError, ImportError, OSError, yaml.YAMLError,
            AssertionError, NotImplementedError) as error:  # fmt: skip
        raise DataError(
            f"this task cannot be opened: {type(error).__name__}: {_first_line(error)}",
            where=told,
            mend="See the harness's guide to tasks for what a task file says.",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().strip("'\"").splitlines()), "")


def _prepared(
    name: str, task: Any, path: Path | None, shots: int | None, limit: int | None, seed: int
) -> HarnessTask:
    if shots is not None:
        task.set_config(key="num_fewshot", value=shots)
    elif task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=seed)
    config = json.loads(json.dumps(task.dump_config(), default=str))
    rows = hashlib.sha256()
    for doc in _first(task.eval_docs, limit):
        rows.update(_plain(doc))
    if config.get("num_fewshot"):
        rows.update(b"shown")
        for doc in task.fewshot_docs():
            rows.update(_plain(doc))
    whole = hashlib.sha256(json.dumps(config, sort_keys=True).encode() + rows.digest())
    return HarnessTask(name, task, path, config, whole.hexdigest())


def _first(docs: Iterable[Any], limit: int | None) -> Iterator[Any]:
    for number, doc in enumerate(docs):
        if number == limit:
            return
        yield doc


def _plain(doc: Any) -> bytes:
    return json.dumps(doc, sort_keys=True, default=str).encode() + b"\n"
