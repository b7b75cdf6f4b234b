"""``luthier data``: the steps of data preparation, each on its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from luthier.cli._tasks import tasks

if TYPE_CHECKING:
    from luthier.core.store import Artifact
    from luthier.pipeline import Stop

# In the order of the steps: what is said of each, and the stage it ends with.
STEPS: dict[str, tuple[str, str]] = {
    "collect": ("Read all sources into documents and rows.", "collect"),
    "clean": ("Repair, filter, mask and remove duplicates.", "clean"),
    "annotate": ("Merge the labels of people, functions and models.", "annotate"),
    "split": ("Make questions, split by group, and lock the test side.", "prepare"),
    "synthesize": ("Have a model write more training rows.", "synthesize"),
    "augment": ("Make varied copies of training rows.", "augment"),
    "balance": ("Even out the classes, by rows or by the loss.", "balance"),
    "profile": ("Say how ready the data is, with a traffic light for each point.", "readiness"),
}

MOST_COLUMNS = 8


@click.group()
def command() -> None:
    """Prepare data, one step at a time.

    Each step runs those before it as far as they are not made yet, and shows what it did. `luthier
    run` makes the same steps.
    """


def _step(name: str, says: str, stage: str) -> click.Command:
    """One step as a command."""

    @click.argument("project", default="luthier.yaml", type=click.Path(path_type=Path))
    @click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
    @click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
    @click.option("--quiet", is_flag=True, help="No progress bars.")
    def step(project: Path, sets: tuple[str, ...], as_json: bool, quiet: bool) -> None:
        run_step(project, sets, name, stage, as_json=as_json, quiet=quiet)

    step.__doc__ = f"{says}\n\nPROJECT is a YAML file (default: luthier.yaml)."
    made: Callable[[Any], click.Command] = click.command(name)
    return made(step)


for _name, (_says, _stage) in STEPS.items():
    command.add_command(_step(_name, _says, _stage))
command.add_command(tasks)


def run_step(
    path: Path, sets: tuple[str, ...], name: str, stage: str, *, as_json: bool, quiet: bool
) -> None:
    """Make the steps up to one, and show that one.

    Args:
        path: The project file.
        sets: ``key.path=value`` overrides.
        name: The step, as ``pipeline.run`` knows it.
        stage: The artifact that is shown.
        as_json: JSON on standard output instead of the screen.
        quiet: No progress bars on standard error.

    Raises:
        LuthierError: A stage failed, or the project does not ask for this step.
    """
    from rich.console import Console

    from luthier import config
    from luthier.core.errors import ConfigError
    from luthier.core.progress import Progress, Quiet, Terminal

    project = config.load(path, sets)
    if getattr(project.data, name, stage) is None:  # said before anything is made
        raise ConfigError(
            f"this project has no step '{name}'",
            where=str(path),
            mend=f"Add a section `data.{name}` to it.",
        )
    progress: Progress = Quiet() if quiet else Terminal()
    from luthier import pipeline  # after the settings are known to be right: it is slow

    until: Stop = next(stop for stop in get_args(pipeline.Stop) if stop == name)
    result = pipeline.run(project, path.parent, progress, until=until)
    if as_json:
        click.echo(json.dumps(result.as_json()["stages"][stage], indent=2, ensure_ascii=False))
        return
    show_step(name, result.artifacts[stage], Console())


def show_step(name: str, artifact: Artifact, console: Any) -> None:
    """Print what one step did: its figures, its tables, and where they lie.

    Args:
        name: The step.
        artifact: What it made.
        console: Where to print (``rich.console.Console``).
    """
    from rich.table import Table
    from rich.text import Text

    note = "reused" if artifact.reused else f"made in {artifact.wall_s:.1f} s"
    console.print(Text.assemble((name, "bold"), f"  {note}"), highlight=False)
    plain = {k: v for k, v in artifact.summary.items() if not isinstance(v, dict | list)}
    grid = Table.grid(padding=(0, 2))
    for key, value in plain.items():
        grid.add_row(Text(f"  {key.replace('_', ' ')}", style="dim"), Text(_figure(value)))
    console.print(grid)
    for key, value in artifact.summary.items():
        if isinstance(value, dict) and value:
            console.print(_table(key, value))
        elif _is_named(value):
            console.print(_table(key, {one["name"]: _figures(one) for one in value}))
        elif isinstance(value, list) and value:
            console.print(Text(f"  {key.replace('_', ' ')}", style="dim"))
            for one in value[:12]:
                console.print(Text(f"    {_line(one)}"))
    console.print(Text(f"  {artifact.path}", style="dim"), soft_wrap=True)


def _table(key: str, value: dict[str, Any]) -> Any:
    """A small table of counts, nested one level at most."""
    from rich.table import Table
    from rich.text import Text

    nested = all(isinstance(v, dict) for v in value.values())
    columns = list(dict.fromkeys(c for v in value.values() for c in v)) if nested else [""]
    if len(columns) > max(MOST_COLUMNS, len(value)):  # too wide for a screen: turned on its side
        return _table(key, {c: {name: row.get(c) for name, row in value.items()} for c in columns})
    title = key.replace("_", " ")
    table = Table(
        title=title, title_justify="left", title_style="dim", box=None, show_header=nested
    )
    table.add_column("", no_wrap=False)
    for column in columns:
        cells = [row.get(column) for row in value.values()] if nested else value.values()
        number = all(isinstance(cell, int | float | None) for cell in cells)
        table.add_column(str(column).replace("_", " "), justify="right" if number else "left")
    for name, row in value.items():
        shown = [row.get(c) for c in columns] if nested else [row]
        table.add_row(Text(f"  {name}"), *(Text(_figure(cell)) for cell in shown))
    return table


def _is_named(value: Any) -> bool:
    """Whether it is a list of things with names, which a table shows best."""
    return isinstance(value, list) and bool(value) and all("name" in one for one in value)


def _figures(named: dict[str, Any]) -> dict[str, Any]:
    """What is told of a named thing; lists within it are left to the files."""
    return {k: v for k, v in named.items() if k != "name" and not isinstance(v, list)}


def _line(value: Any) -> str:
    """One entry of a list in a line; lists within it are left to the files."""
    if not isinstance(value, dict):
        return _figure(value)
    told = {k: v for k, v in value.items() if not isinstance(v, list)}
    return ", ".join(f"{k.replace('_', ' ')} {_figure(v)}" for k, v in told.items())


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_figure(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ("\n" if any(isinstance(v, dict) for v in value) else " and ").join(
            map(_figure, value)
        )
    return str(value)
