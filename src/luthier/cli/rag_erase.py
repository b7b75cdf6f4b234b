"""``luthier rag erase``: documents that must go for good."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import click

from luthier.cli._rag import as_text, bare, rag_options


@click.command("erase")
@click.argument("documents", nargs=-1, required=True, metavar="DOCUMENT...")
@rag_options
def command(
    documents: tuple[str, ...],
    project: Path | None,
    sets: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Remove documents, by id, from every version of the living index and from the disk.

    A source that still has them brings them back at the next `luthier rag sync`. Bundles hold
    indexes of their own: make them anew, and delete the old ones with `luthier gc`.
    """
    from luthier.core.errors import DataError
    from luthier.rag import live
    from luthier.rag.stores.copies import copies
    from luthier.stages import living

    del quiet  # nothing here takes long
    work = bare(project, sets)
    store = living.store_of(work)
    held = {one for version in store.versions() for one in store.digests(version.number)}
    held.update(live.erasing(living.folder_of(work)))
    if unknown := [one for one in documents if one not in held]:
        raise DataError(
            f"no version of the index has a document '{unknown[0]}'",
            where=str(living.folder_of(work)),
            mend=_near(unknown[0], held),
        )
    others = copies(documents, store).now
    before = len(store.versions())
    gone = live.erase(living.settings(work), living.folder_of(work), documents)
    forgotten = max(0, before + 1 - len(store.versions()))
    if as_json:
        told = {"documents": list(documents), "passages": gone, "version": store.version()}
        click.echo(as_text({**told, "same_text": list(others), "versions_forgotten": forgotten}))
        return
    count = len(documents)
    click.echo(
        f"{count} document{'s' if count > 1 else ''} erased: {gone:,} passages in all versions"
    )
    if forgotten:
        click.echo(
            f"{forgotten} old versions are forgotten: they are too many, or held it elsewhere"
        )
    if others:
        click.echo(f"The same text still stands in: {', '.join(others)}")


def _near(name: str, held: Iterable[str]) -> str:
    """What may be meant: people name the place that is shown, ``faq.md:1``, for ``faq.md#1``."""
    near = difflib.get_close_matches(name, sorted(held), n=3)
    meant = f"Is it {' or '.join(repr(one) for one in near)}? " if near else ""
    return f"{meant}`luthier rag query --json` tells ids of documents."
