"""``luthier rag calibrate``: when to say that the documents do not answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli._rag import as_text, gather, rag_options
from luthier.cli._rag_questions import Asked, chosen, needed, question_options

if TYPE_CHECKING:
    from luthier.rag.abstain import Calibration
    from luthier.rag.spec import RagSpec


@click.command("calibrate")
@rag_options
@question_options
def command(
    project: Path | None,
    sets: tuple[str, ...],
    side: Asked,
    made: int | None,
    file: Path | None,
    most: int | None,
    names: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn when to say "not in the documents", and keep it with the living index.

    Each question is looked up twice: as it is, and as if the documents that answer it were not
    there. At most `rag.abstain.target` of the latter are then answered. `luthier rag query
    --answer` and `luthier serve --living` go by it where `rag.abstain.policy` is refuse or warn.
    Calibrate again when many documents have changed; that is said where it is due.
    """
    from luthier.stages import living, measuring

    work = gather(project, sets, quiet=quiet, until=needed(made, file))
    asked, said = chosen(work, side, made, file, most, names)
    found = measuring.calibrate(work, asked)
    if as_json:
        click.echo(as_text({**dataclasses.asdict(found), "path": str(living.folder_of(work))}))
    else:
        click.echo("\n".join(lines(found, said, living.settings(work))))


def lines(found: Calibration, said: str, spec: RagSpec) -> list[str]:
    """What was learned, for a person."""
    told = [
        said,
        f"{found.answerable:,} cases with an answer, {found.unanswerable:,} without; one half "
        "taught, the other set the threshold:",
        f"  answered with an answer      {found.answered:.1%}",
        f"  answered without one         {found.false_answers:.1%}  (target {found.target:.1%})",
        f"kept for version {found.index_version} of the index",
    ]
    if spec.abstain.policy == "off":
        told.append("rag.abstain.policy is off, so nothing is withheld: set it to refuse or warn.")
    return told
