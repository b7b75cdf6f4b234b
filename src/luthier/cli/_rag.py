"""What the commands of ``luthier rag`` share: the project, its living index, and who asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from luthier.cli._project import PROJECT, project_file

if TYPE_CHECKING:
    from luthier.pipeline import Stop
    from luthier.rag.access import Slice
    from luthier.stages.work import Work

Command = TypeVar("Command", bound=Callable[..., Any])


def rag_options(command: Command) -> Command:
    """Give a command ``--project``, ``--set``, ``--json`` and ``--quiet``."""
    options = (
        click.option("--quiet", is_flag=True, help="No progress bars."),
        click.option("--json", "as_json", is_flag=True, help="Print the results as JSON."),
        click.option(
            "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting."
        ),
        click.option(
            "--project",
            type=click.Path(path_type=Path),
            help=f"The project file, or its folder.  [default: {PROJECT}]",
        ),
    )
    for option in options:
        command = option(command)
    return command


def slice_options(command: Command) -> Command:
    """Give a command ``--as`` and ``--where``."""
    where = click.option(
        "--where",
        "filters",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only passages with this metadata; kind, document and since are the passage's own.",
    )
    names = click.option(
        "--as",
        "names",
        multiple=True,
        metavar="NAME",
        help="The user or a group in whose name is asked.  [default: what everyone may see]",
    )
    return names(where(command))


def part_of(names: tuple[str, ...], filters: tuple[str, ...]) -> Slice:
    """The slice that ``--as`` and ``--where`` name.

    Raises:
        ConfigError: A filter is none.
    """
    from luthier.rag.access import viewer
    from luthier.rag.ranking.filters import filtered

    return filtered(viewer(names), filters)


def gather(
    project: Path | None, sets: tuple[str, ...], *, quiet: bool, until: Stop = "annotate"
) -> Work:
    """The project, its documents made as far as need be.

    Args:
        project: What ``--project`` says.
        sets: Overrides.
        quiet: No bars.
        until: The stage that is needed; ``split`` makes questions as well.

    Raises:
        LuthierError: The project file is missing or wrong, or a stage failed.
    """
    from luthier import config
    from luthier.core.progress import Progress, Quiet, Terminal

    path = project_file(project) or Path(PROJECT)
    settings = config.load(path, sets)
    progress: Progress = Quiet() if quiet else Terminal()
    from luthier import pipeline  # after the settings are known to be right: it is slow

    return pipeline.gather(settings, path.parent, progress, until=until)


def bare(project: Path | None, sets: tuple[str, ...]) -> Work:
    """The project without making any stage, for commands that only look at the index."""
    from luthier import config
    from luthier.core.progress import Quiet

    path = project_file(project) or Path(PROJECT)
    settings = config.load(path, sets)
    from luthier.stages.work import Work

    return Work(settings, path.parent, Quiet())


def as_text(told: Any) -> str:
    """JSON for a program."""
    return json.dumps(told, indent=2, ensure_ascii=False, default=str)
