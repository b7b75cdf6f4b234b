"""``luthier tune``: everything up to tuning, and what was learnt."""

from __future__ import annotations

import json
from pathlib import Path

import click

STAGES = ("classify", "tune")


@click.command()
@click.argument("project", default="luthier.yaml", type=click.Path(path_type=Path))
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
@click.option(
    "--compare-optimizers",
    "kinds",
    is_flag=False,
    flag_value="",
    metavar="[KINDS]",
    help="Instead, run each optimizer on this task and show which does best. KINDS: adamw,muon,... "
    "(default: all).",
)
@click.option("--dry-run", is_flag=True, help="Show what would be made, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(
    project: Path,
    sets: tuple[str, ...],
    kinds: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train what the project asks for: the language model, the classifier, or both.

    PROJECT is a YAML file (default: luthier.yaml). The stages before it are made as far as they are
    not made yet; `luthier run` goes on from here.
    """
    if dry_run:
        from luthier.cli import _outlook

        _outlook.dry_run(project, sets, "tune", as_json=as_json)
        return
    tune_project(project, sets, kinds, as_json=as_json, quiet=quiet)


def tune_project(
    path: Path, sets: tuple[str, ...], kinds: str | None = None, *, as_json: bool, quiet: bool
) -> None:
    """Make the stages of a project up to tuning, and show what was learnt.

    Args:
        path: The project file; relative paths in it start from its folder.
        sets: ``key.path=value`` overrides.
        kinds: Optimizers to be compared instead, with commas between; all if it is empty.
        as_json: JSON on standard output instead of the screen.
        quiet: No progress bars on standard error.

    Raises:
        LuthierError: A stage failed, or the project has nothing to train.
    """
    from rich.console import Console

    from luthier import config
    from luthier.core.errors import ConfigError
    from luthier.core.progress import Progress, Quiet, Terminal

    project = config.load(path, sets)
    if project.tune is None and project.classifier is None:
        raise ConfigError(
            "this project trains nothing",
            where=str(path),
            mend="Add a section `tune` for the language model, or `classifier: head` for labels.",
        )
    progress: Progress = Quiet() if quiet else Terminal()
    if kinds is not None:
        from luthier.cli import _compare_optimizers

        names = kinds.split(",")
        _compare_optimizers.run(
            project, path.parent, names, progress, as_json=as_json, console=Console()
        )
        return
    from luthier import pipeline  # after the settings are known to be right: it is slow

    result = pipeline.run(project, path.parent, progress, until="tune")
    if as_json:
        stages = result.as_json()["stages"]
        told = {stage: stages[stage] for stage in STAGES if stage in stages}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    from luthier.cli import _screen

    _screen.show_learnt(result, Console())
