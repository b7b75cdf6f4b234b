"""``luthier adapters``: adapters listed, merged into one, and folded into their model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from luthier.core.errors import ConfigError
from luthier.tune.adapters import How

if TYPE_CHECKING:
    from luthier.tune.adapters import Found

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """List adapters, merge several into one, fold one into its model."""


@command.command("list")
@click.argument("folders", nargs=-1, type=FOLDER, metavar="[FOLDER]...")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_adapters(folders: tuple[Path, ...], as_json: bool) -> None:
    """List the adapters in these folders, or in this one.

    What `luthier run` has tuned lies in the store: `luthier adapters list .luthier`.
    """
    from luthier.tune.adapters import find

    found = [one for folder in folders or (Path(),) for one in find(folder)]
    if as_json:
        import json

        click.echo(json.dumps([_plain(one) for one in found], indent=2, ensure_ascii=False))
    elif found:
        _table(found)
    else:
        click.echo("no adapters here")


@command.command()
@click.argument("adapters", nargs=-1, required=True, type=FOLDER, metavar="ADAPTER...")
@click.option("--to", "out", required=True, type=NEW_FOLDER, help="The new adapter's folder.")
@click.option(
    "--weights", help="One number for each, such as 0.7,0.3.  [default: equal, summing to 1]"
)
@click.option(
    "--how", type=click.Choice(get_args(How)), default="cat", show_default=True, help="As in PEFT."
)
@click.option("--base", type=FOLDER, help="Their model.  [default: as the first of them names it]")
@click.option("--rank", type=click.IntRange(min=1), help="Of the new one, with svd.")
@click.option(
    "--density",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Share of each update that ties, dare and magnitude_prune keep.",
)
@click.option("--seed", default=0, show_default=True, help="Of what dare drops.")
def merge(
    adapters: tuple[Path, ...], out: Path, weights: str | None, base: Path | None, **options: Any
) -> None:
    """Make one adapter of several that belong to the same model.

    `cat` is the weighted sum itself, at the sum of the ranks; `svd` is the nearest to it of one
    rank. What is printed tells how far the new adapter lies from the weighted sum.
    """
    from luthier.tune import adapters as several

    _check_new(out)
    numbers = _numbers(weights, len(adapters))
    told = several.merge(base or _base(adapters[0]), adapters, numbers, out, **options)
    rank = "" if told["rank"] is None else f" of rank {told['rank']}"
    click.echo(f"{out}: {told['kind']}{rank}, {told['weights']:,} weights")
    click.echo(f"{told['apart']:.1%} of its length away from the weighted sum")


@command.command()
@click.argument("base", type=FOLDER)
@click.argument("adapter", type=FOLDER)
@click.option("--to", "out", required=True, type=NEW_FOLDER, help="The new model's folder.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the new model's weights.",
)
def apply(base: Path, adapter: Path, out: Path, precision: Any) -> None:
    """Fold an adapter into the weights of its model BASE.

    The new model must answer as BASE with ADAPTER does; otherwise nothing is written.
    """
    from luthier.tune.adapters import fold

    _check_new(out)
    model = fold(base, adapter, out, precision=precision)
    click.echo(f"{out}: {model.parameters:,} weights, answers as with the adapter beside them")


def _check_new(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError("there is something here already", where=str(out), mend="Name another.")


def _numbers(weights: str | None, count: int) -> list[float]:
    if weights is None:
        return [1 / count] * count
    try:
        return [float(part) for part in weights.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"'{weights}' are no weights", where="--weights", mend="Write them as 0.7,0.3."
        ) from error


def _base(folder: Path) -> Path:
    from luthier.models.adapter import read_config

    named = str(read_config(folder).get("base_model_name_or_path") or "")
    if not named or not Path(named).is_dir():
        raise ConfigError(
            f"its model '{named}' is no folder here", where=str(folder), mend="Name it with --base."
        )
    return Path(named)


def _plain(one: Found) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "kind": one.kind,
        "size": one.size,
        "weights": one.weights,
        "size_bytes": one.size_bytes,
        "base": one.base,
    }


def _table(found: Sequence[Found]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from luthier.cli._screen import count

    console = Console()
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    table.add_column("adapter", overflow="fold")
    table.add_column("kind", no_wrap=True)
    for title in ("rank or tokens", "weights", "on disk"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("made for", overflow="fold")
    for one in found:
        size = "-" if one.size is None else f"{one.size:,}"
        small = one.size_bytes < 1e6
        on_disk = f"{one.size_bytes / (1e3 if small else 1e6):,.1f} {'kB' if small else 'MB'}"
        cells = (str(one.path), one.kind, size, count(one.weights), on_disk, one.base)
        table.add_row(*map(escape, cells))
    if not console.is_terminal:
        console.width = max(console.width, 240)
    console.print(table)
