"""``luthier rag health``: how the living index fares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli._rag import as_text, gather, rag_options

if TYPE_CHECKING:
    from luthier.rag.health import Health


@click.command("health")
@rag_options
def command(project: Path | None, sets: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Look the living index over, and hold it against its sources.

    Exit code 1 if something urgent was found.
    """
    from luthier.stages import living

    work = gather(project, sets, quiet=quiet)
    found = living.health(work)
    click.echo(as_text(found.as_json()) if as_json else told(found))
    if not found.well:
        raise SystemExit(1)


def told(found: Health) -> str:
    """The state of an index, for a person."""
    lines = [
        f"store      {found.kind} · {found.where}",
        f"holds      {found.passages:,} passages of {found.documents:,} documents",
        f"version    {found.version} · {found.versions} can be read · made {_age(found.age_s)} ago",
        f"size       {found.bytes / 1e6:.1f} MB in {found.files} files",
    ]
    lines += _searched(found)
    if found.stale is not None:
        lines.append(
            f"sources    {found.stale.differ:,} documents differ"
            if found.stale.differ
            else "sources    all documents are as the sources have them"
        )
    for verdict in found.verdicts:
        mark = "!" if verdict.urgent else "-"
        lines.append(f"{mark} {verdict.what}\n  {verdict.mend}")
    return "\n".join(lines)


def _searched(found: Health) -> list[str]:
    """Where questions are answered from, and how well the store's own search does."""
    lines = []
    if found.searched:
        way = "in memory" if found.searched == "memory" else "in the store itself"
        lines.append(f"searched   {way} · {found.unindexed:,} rows are in no index of the store")
    if found.recall is not None:
        how = str(found.search.get("index", "exact"))
        if parameters := found.search.get("parameters"):
            how += ", " + ", ".join(f"{key} {value}" for key, value in parameters.items())
        whose = f" in the slice of '{found.recall.slice}'" if found.recall.slice else ""
        lines.append(
            f"recall@10  {found.recall.overall:.3f} of the store's vector search, "
            f"{found.recall.worst:.3f} at worst{whose} ({how})"
        )
    return lines


def _age(seconds: float) -> str:
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
