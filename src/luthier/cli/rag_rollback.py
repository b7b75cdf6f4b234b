"""``luthier rag rollback``: the living index as it was."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli._rag import as_text, bare, rag_options


@click.command("rollback")
@click.argument("version", type=click.IntRange(min=1))
@rag_options
def command(
    version: int, project: Path | None, sets: tuple[str, ...], as_json: bool, quiet: bool
) -> None:
    """Go back to what VERSION held, as a new version.

    The next `luthier rag sync` brings what the sources have: mend them first.
    """
    from luthier.rag import live
    from luthier.stages import living

    del quiet  # nothing here takes long
    work = bare(project, sets)
    number = live.rollback(living.settings(work), living.folder_of(work), version)
    told = {"version": number, "as": version}
    click.echo(as_text(told) if as_json else f"version {number} holds what version {version} held")
