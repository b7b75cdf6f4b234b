"""``luthier run``: every stage of a project file, each made once."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("project", default="luthier.yaml", type=click.Path(path_type=Path))
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
@click.option("--dry-run", is_flag=True, help="Show what would be made, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(
    project: Path, sets: tuple[str, ...], dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Make everything that the project file asks for.

    PROJECT is a YAML file (default: luthier.yaml). What is already made from the same inputs is
    used again: change a setting, and only what depends on it is remade.
    """
    run_project(project, sets, dry_run=dry_run, as_json=as_json, quiet=quiet)


def run_project(
    path: Path, sets: tuple[str, ...], *, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Run a project file and show the results.

    Args:
        path: The project file; relative paths in it start from its folder.
        sets: ``key.path=value`` overrides.
        dry_run: Only show what would be made.
        as_json: JSON on standard output instead of the screen.
        quiet: No progress bars on standard error.

    Raises:
        LuthierError: Any stage failed.
    """
    if dry_run:
        from luthier.cli import _outlook

        _outlook.dry_run(path, sets, "report", as_json=as_json)
        return
    from rich.console import Console

    from luthier import config
    from luthier.core.progress import Progress, Quiet, Terminal

    project = config.load(path, sets)
    progress: Progress = Quiet() if quiet else Terminal()
    from luthier import pipeline  # after the settings are known to be right: it is slow

    result = pipeline.run(project, path.parent, progress)
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2, ensure_ascii=False))
        return
    from luthier.cli import _screen

    _screen.show(result, Console(), path)
