"""``luthier rag versions``: what one can go back to."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import click

from luthier.cli._rag import as_text, bare, rag_options


@click.command("versions")
@rag_options
def command(project: Path | None, sets: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """List the versions of the living index, oldest first."""
    from luthier.stages import living

    del quiet  # nothing here takes long
    versions = living.store_of(bare(project, sets)).versions()
    if as_json:
        click.echo(as_text([dataclasses.asdict(one) for one in versions]))
        return
    for one in versions:
        made = dt.datetime.fromtimestamp(one.made_s, dt.UTC)
        click.echo(f"{one.number:>6}  {made:%Y-%m-%d %H:%M}  {one.passages:>10,}  {one.note}")
    if not versions:
        click.echo("There is no index yet: luthier rag index")
