"""``luthier rag audit``: who saw what."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli._rag import as_text, bare, rag_options

if TYPE_CHECKING:
    from luthier.rag.audit import Line


@click.command("audit")
@rag_options
@click.option("--saw", metavar="NAME", help="What this user or group was shown.")
@click.option("--document", metavar="ID", help="Who was shown this document.")
@click.option("--verify", is_flag=True, help="Check that no line was changed or removed.")
def command(
    project: Path | None,
    sets: tuple[str, ...],
    saw: str | None,
    document: str | None,
    verify: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell who saw what, from the log that `rag.audit` asks a server to keep.

    With `--verify` the exit code is 1 if a line was changed or is missing.
    """
    from luthier.core.errors import StoreError
    from luthier.rag.audit import FILE_NAME, Audit, AuditSpec

    del quiet  # nothing here takes long
    work = bare(project, sets)
    path = work.store.root / FILE_NAME
    if not path.is_file():
        raise StoreError(
            "nothing was logged yet",
            where=str(path),
            mend="Set `rag: {audit: {}}`, run, and serve the bundle.",
        )
    spec = work.project.rag.audit if work.project.rag else None
    audit = Audit(path, spec or AuditSpec())
    if verify:
        broken = audit.verify()
        told = "every line is as it was written"
        if broken is not None:
            told = f"line {broken} is not as it was written, or is missing"
        click.echo(as_text({"broken": broken}) if as_json else told)
        if broken is not None:
            raise SystemExit(1)
        return
    lines = audit.saw(saw) if saw else audit.who_saw(document) if document else audit.lines()
    if as_json:
        click.echo(as_text([dataclasses.asdict(one) for one in lines]))
        return
    for one in lines:
        click.echo(_said(one))


def _said(one: Line) -> str:
    who = ", ".join(n for n in one.viewer if n != "everyone") or "anyone"
    shown = ", ".join(one.documents) or "-"
    refused = f" · refused {len(one.refused)}" if one.refused else ""
    return f"{one.at[:19]}  {one.outcome:10}  {who:20}  {shown}{refused}"
