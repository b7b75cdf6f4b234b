"""``--dry-run``: what a run would make, what is there already, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from luthier.pipeline import Outlook, Stop


def dry_run(path: Path, sets: tuple[str, ...], until: Stop, *, as_json: bool) -> None:
    """Show what a run of a project would do; nothing is made, and no weights are read.

    Args:
        path: The project file; relative paths in it start from its folder.
        sets: ``key.path=value`` overrides.
        until: The last stage.
        as_json: JSON on standard output instead of the screen.

    Raises:
        LuthierError: The settings are wrong; or, after all has been shown, the first thing that
            stands in the way of the run.
    """
    from rich.console import Console

    from luthier import config

    project = config.load(path, sets)
    from luthier import pipeline  # after the settings are known to be right: it is slow

    found = pipeline.look(project, path.parent, until=until)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        show(found, Console())
    for step in found.steps:
        if step.problem:
            raise step.problem


def show(found: Outlook, console: Console) -> None:
    """Print what a run would do.

    Args:
        found: From ``pipeline.look``.
        console: Where to print; files get lines of 100 columns.
    """
    from rich.table import Table
    from rich.text import Text

    from luthier.cli import _plan
    from luthier.cli._screen import duration

    if not console.is_terminal:
        console.width = 100
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("stage", "state", "artifact"):
        table.add_column(name, overflow="fold")
    for step in found.steps:
        one = step.artifact
        state, note = Text("to do"), step.why or one.name
        if step.problem:
            state, note = Text("missing", style="red"), step.problem.what
        elif one.finished:
            state = Text(f"made in {duration(one.wall_s)}", style="green")
        table.add_row(f"  {one.stage}", state, Text(note, style="dim"))
    console.print(table)
    if found.plan:
        console.print()
        _plan.show(found.plan, console)
    made = sum(step.artifact.finished for step in found.steps)
    console.print()
    console.print(
        f"{len(found.steps)} stages: {made} made already, {len(found.steps) - made} to do; "
        "nothing was written",
        style="dim",
        highlight=False,
    )
