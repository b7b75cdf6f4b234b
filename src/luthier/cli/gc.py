"""``luthier gc``: delete what no kept bundle needs."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli._project import project_options, store_root
from luthier.cli.show import human_size


@click.command()
@project_options
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was deleted as JSON.")
def command(project: Path | None, store: Path | None, dry_run: bool, as_json: bool) -> None:
    """Delete what no kept bundle needs.

    The last bundle of each project is kept, with everything it was made from. Unfinished drafts
    go too, so a stopped training starts anew after this.
    """
    from luthier.core.store import Store

    gone = Store(store_root(project, store)).collect_garbage(dry_run=dry_run)
    if as_json:
        import json

        click.echo(json.dumps([{"name": name, "bytes": size} for name, size in gone], indent=2))
        return
    for name, size in gone:
        click.echo(f"{human_size(size):>10}  {name}")
    if not gone:
        click.echo("nothing to delete")
        return
    things = "1 folder" if len(gone) == 1 else f"{len(gone)} folders"
    verb = "would be" if dry_run else "was" if len(gone) == 1 else "were"
    click.echo(f"{things} {verb} deleted, {human_size(sum(size for _, size in gone))} in all")
