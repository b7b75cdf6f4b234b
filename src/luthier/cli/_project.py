"""Which project a command is about: the same answer for every command, and what to paste next.

In this order: what ``--project`` names; ``luthier.yaml`` in the current folder; the store
``.luthier`` there, without a project file; the project that ``luthier demo`` left in
``luthier-demo``. ``--store`` names another store than the project's.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from luthier.config import Project

PROJECT, STORE, DEMO = "luthier.yaml", ".luthier", "luthier-demo"

Command = TypeVar("Command", bound=Callable[..., Any])


def project_options(command: Command) -> Command:
    """Give a command ``--project`` and ``--store``, as arguments ``project`` and ``store``."""
    store = click.option(
        "--store",
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder of everything made, if it is not the project's.",
    )
    project = click.option(
        "--project",
        type=click.Path(path_type=Path),
        help=f"The project file, or its folder.  [default: {PROJECT}, else {DEMO}/{PROJECT}]",
    )
    return project(store(command))


def project_file(project: Path | None, store: Path | None = None) -> Path | None:
    """The project file a command is about, or None if there is none.

    Args:
        project: What ``--project`` says.
        store: What ``--store`` says; with it the demo's project is not looked for.
    """
    if project is not None:
        return project / PROJECT if project.is_dir() else project
    if Path(PROJECT).is_file():
        return Path(PROJECT)
    demo = Path(DEMO, PROJECT)
    if store is None and not Path(STORE).is_dir() and demo.is_file():
        return demo
    return None


def read_project(project: Path | None, store: Path | None) -> Project | None:
    """The settings a command is about, or None if there is no project file.

    Args:
        project: What ``--project`` says.
        store: What ``--store`` says.

    Raises:
        ConfigError: The project file is missing or wrong.
    """
    path = project_file(project, store)
    if path is None:
        return None
    from luthier import config

    return config.load(path)


def store_root(project: Path | None, store: Path | None) -> Path:
    """The store a command is about. It need not exist.

    Args:
        project: What ``--project`` says.
        store: What ``--store`` says; then no project file is read.

    Raises:
        ConfigError: The project file is missing or wrong.
    """
    if store is not None:
        return store
    path = project_file(project)
    if path is None:
        return Path(STORE)
    from luthier import config

    return config.store_root(config.load(path), path.parent)


def options_for(project: Path, root: Path) -> str:
    """The options that lead a command from the current folder to a project and its store.

    Args:
        project: The project file that was run.
        root: The store it was run into; ``--set store=...`` may have named another one.

    Returns:
        Text to put behind a command: empty, or beginning with a space.
    """
    options = []
    found = project_file(None)
    if found is None or not _same(found, project):
        options += ["--project", str(project)]
    if not _same(store_root(project, None), root):
        options += ["--store", str(root)]
    return "".join(f" {shlex.quote(option)}" for option in options)


def program() -> str:
    """How this program is called from the current folder: ``luthier`` if the shell finds it."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        python = shutil.which("python")
        found = python is not None and _same(Path(python), Path(sys.executable))
        return f"{'python' if found else shlex.quote(sys.executable)} -m luthier"
    if called.name != "luthier" or not called.exists():
        return "luthier"
    on_path = shutil.which("luthier")
    if on_path is not None and _same(Path(on_path), called):
        return "luthier"
    return shlex.quote(sys.argv[0])


def _same(one: Path, other: Path) -> bool:
    """Whether two paths name one place; links of virtual environments are not followed."""
    return os.path.abspath(one) == os.path.abspath(other)  # noqa: PTH100
