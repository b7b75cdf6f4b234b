"""``luthier suite``: what is asked, locked before anyone answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.suite_make import command as make_command

if TYPE_CHECKING:
    from luthier.evaluate.suite import Suite

SHOWN = 60  # characters of a text in a table

path_argument = click.argument("path", type=click.Path(path_type=Path), metavar="SUITE")


@click.group()
def command() -> None:
    """Make suites: items with references, locked by digest.

    A suite is a file of JSON lines, one item each, and a lock beside it. `luthier evaluate` puts it
    to whatever answers, and refuses one that has changed since it was locked.
    """


command.add_command(make_command)


@command.command()
@path_argument
@click.option(
    "--name", help="What the suite is called.  [default: as before, else the file's name]"
)
def lock(path: Path, name: str | None) -> None:
    """Lock SUITE as it is now.

    Runs of the suite as it was before are another suite's from then on.
    """
    from luthier.evaluate import suite as suites
    from luthier.evaluate.suites.own import read_items

    items, before = read_items(path), suites.lock_of(path)
    called = name or (before or {}).get("name") or path.stem
    found = suites.from_items(called, items, path)
    suites.write_lock(found, path)
    click.echo(f"locked {found.name}: {_counted(found)}, digest {found.digest[:16]}")
    if before is not None:
        click.echo(suites.differences(items, before["items"]) or "nothing had changed")


@command.command()
@path_argument
def check(path: Path) -> None:
    """Check that SUITE is as it was locked, and that all of it can be scored.

    Ends with exit code 3 if not, and says which items differ.
    """
    from luthier.evaluate.suite import read_suite

    found = read_suite(path)
    click.echo(f"{found.name} is as it was locked: {_counted(found)}, digest {found.digest[:16]}")
    asked: dict[str, int] = {}
    for item in found.items:
        if item.question:
            asked[item.question] = asked.get(item.question, 0) + 1
    twice = sum(count - 1 for count in asked.values())
    if twice:
        click.echo(f"note: {twice:,} items ask what another one asks, word for word")


@command.command()
@path_argument
@click.option("--items", type=click.IntRange(min=0), default=5, show_default=True, help="Shown.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, all items.")
def show(path: Path, items: int, as_json: bool) -> None:
    """Show what SUITE asks: kinds, tags, groups and its first items."""
    from luthier.evaluate.suite import plain, read_suite

    found = read_suite(path)
    if as_json:
        told = {**facts(found), "items": [plain(item) for item in found.items]}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    _show(found, items)


def facts(suite: Suite) -> dict[str, Any]:
    """What is known of a suite without its items."""
    tags: dict[str, int] = {}
    for item in suite.items:
        for tag in item.tags:
            tags[tag] = tags.get(tag, 0) + 1
    return {
        "name": suite.name,
        "digest": suite.digest,
        "kinds": suite.kinds,
        "groups": len({item.group or item.id for item in suite.items}),
        "tags": tags,
        "unanswerable": sum(not item.answerable for item in suite.items),
    }


def _show(suite: Suite, count: int) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    told, console = facts(suite), Console()
    console.print(Text.assemble((suite.name, "bold"), f"  {_counted(suite)}"), soft_wrap=True)
    lines = [f"digest {suite.digest[:16]}, {told['groups']:,} groups"]
    if told["tags"]:
        most = sorted(told["tags"].items(), key=lambda pair: (-pair[1], pair[0]))[:8]
        more = f" and {len(told['tags']) - 8:,} more" if len(told["tags"]) > 8 else ""
        lines.append("tags: " + ", ".join(f"{name} {n:,}" for name, n in most) + more)
    if told["unanswerable"]:
        lines.append(f"{told['unanswerable']:,} where to refuse is right")
    console.print(Text("\n".join(lines), style="dim"), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("item", "kind", "asked", "reference"):
        table.add_column(title, overflow="ellipsis", no_wrap=True)
    for item in suite.items[:count]:
        asked = item.question or item.reference
        reference = "" if item.kind == "text" else item.reference
        table.add_row(*(Text(_brief(t)) for t in (item.id, item.kind, asked, reference)))
    if count:
        console.print(table)


def _brief(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else flat[: SHOWN - 1] + "…"


def _counted(suite: Suite) -> str:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in suite.kinds.items())
    return f"{len(suite.items):,} items ({kinds})"
