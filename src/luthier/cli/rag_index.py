"""``luthier rag index``: make the living index of a project."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from luthier.cli._rag import as_text, gather, rag_options
from luthier.cli.rag_sync import synced


@click.command("index")
@rag_options
@click.option(
    "--anew",
    is_flag=True,
    help="Make the search files anew from the store, and the store, too, where the encoder's "
    "vectors have another length.",
)
def command(
    project: Path | None, sets: tuple[str, ...], anew: bool, as_json: bool, quiet: bool
) -> None:
    """Index the project's documents, or bring the index up to date.

    Cuts, embeds and stores all documents; a run that was killed goes on where it stopped. What is
    there and has not changed is left as it is, so it does no harm to call it twice.
    """
    from luthier.rag import live
    from luthier.stages import living, measuring

    work = gather(project, sets, quiet=quiet)
    folder = living.folder_of(work)
    if anew:
        live.clear(living.settings(work), folder)
    done = living.sync(work, most_gone=1.0)
    if as_json:
        click.echo(as_text({**dataclasses.asdict(done), "path": str(folder)}))
        return
    click.echo(synced(done, folder))
    if note := measuring.stale(work, done.version):
        click.echo(note)
    click.echo('\n  luthier rag query "..."   find passages')
