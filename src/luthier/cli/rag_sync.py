"""``luthier rag sync``: the living index follows its sources."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._rag import as_text, gather, rag_options

if TYPE_CHECKING:
    from luthier.rag.sync import Look, Synced

_IDS = 5  # documents named of each kind


@click.command("sync")
@rag_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--most-gone",
    type=click.FloatRange(0, 1),
    help="Share of the documents that may have vanished from the sources; more is an error.",
    show_default="0.5",
)
@click.option(
    "--optimize",
    is_flag=True,
    help="Put the store in order, too, and choose how its vectors are searched.",
)
def command(
    project: Path | None,
    sets: tuple[str, ...],
    dry_run: bool,
    most_gone: float | None,
    optimize: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Bring the living index up to date with the project's sources.

    Documents are compared by their content: only those that are new, changed, moved or gone are
    touched, and a text that was embedded once is not embedded again. Whoever asks meanwhile is
    answered from the version before. A sync that was killed goes on where it stopped.
    """
    from luthier.rag.sync import MOST_GONE
    from luthier.stages import living, measuring

    work = gather(project, sets, quiet=quiet)
    if dry_run:
        seen = living.look(work)
        click.echo(as_text(dataclasses.asdict(seen)) if as_json else looked(seen))
        return
    done = living.sync(work, most_gone=MOST_GONE if most_gone is None else most_gone)
    if optimize:
        living.optimize(work)
    note = measuring.stale(work, done.version)
    if as_json:
        told: dict[str, Any] = {**dataclasses.asdict(done), "path": str(living.folder_of(work))}
        click.echo(as_text({**told, "calibration": note}))
    else:
        click.echo(synced(done, living.folder_of(work)))
        click.echo(f"{note}\n" if note else "", nl=False)


def synced(done: Synced, folder: Path) -> str:
    """What a sync did, for a person."""
    counts = [
        f"{count:,} {what}"
        for what, count in (
            ("new", done.new),
            ("changed", done.changed),
            ("moved", done.moved),
            ("gone", done.gone),
        )
        if count
    ]
    lines = [
        f"documents  {' · '.join(counts) or 'all as they were'} · {done.same:,} left alone",
    ]
    if done.passages:
        lines.append(
            f"passages   {done.passages:,} written · {done.embedded:,} embedded · {done.reused:,} "
            "had their vectors"
        )
    if done.empty or done.without:
        lines.append(f"without    {done.empty + done.without:,} documents have no passages")
    lines.append(f"version    {done.version} · in {done.seconds:.1f} s · {folder}")
    return "\n".join(lines)


def looked(seen: Look) -> str:
    """What a sync would do, for a person."""
    lines = []
    for what, ids in (
        ("new", seen.new),
        ("changed", seen.changed),
        ("moved", tuple(seen.moved)),
        ("gone", seen.gone),
        ("empty", seen.empty),
    ):
        if ids:
            some = ", ".join(ids[:_IDS]) + (", ..." if len(ids) > _IDS else "")
            lines.append(f"{what:9}  {len(ids):,}: {some}")
    lines.append(f"same       {seen.same:,} of {seen.known:,} documents in version {seen.version}")
    return "\n".join(lines)
