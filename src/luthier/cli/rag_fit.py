"""``luthier rag fit``: what ranking learns from questions with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._rag import as_text, gather, rag_options

if TYPE_CHECKING:
    from luthier.rag.fitting import Fitted
    from luthier.rag.measure import Sought
    from luthier.rag.measuring.measured import Compared
    from luthier.stages.work import Work

PARTS = ("words", "weights", "map")


@click.command("fit")
@rag_options
@click.option(
    "--only",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    help="Fit this alone; may be given again.  [default: all three]",
)
@click.option(
    "--made",
    type=click.IntRange(min=1),
    help="Fit on so many questions made from the documents instead.",
)
@click.option(
    "--questions",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Fit on those of a file (JSON Lines: question, document), such as clicks.",
)
@click.option("--locked", is_flag=True, help="Hold what was taken against the locked test side.")
def command(
    project: Path | None,
    sets: tuple[str, ...],
    parts: tuple[Any, ...],
    made: int | None,
    file: Path | None,
    locked: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit k1 and b, fusion weights and a map of question vectors on validation questions.

    Each is judged on questions it was not fitted on, and taken only if it surely helps. What is
    taken lies in `fitted/` beside the project file, and the lines to put into it are shown. Test
    questions are refused. The living index must be there: `luthier rag index`.
    """
    from luthier.rag.fitting import refuse_test
    from luthier.stages import fitting

    work = gather(project, sets, quiet=quiet, until="annotate" if made is not None else "split")
    asked, said = _asked(work, made, file)
    refuse_test(asked, fitting.locked_texts(work))
    found = fitting.fit(work, asked, said, parts or PARTS)
    held = fitting.locked(work, found.settings) if locked else None
    if as_json:
        import dataclasses

        told = {"fitted": found.as_json(), "locked": held and dataclasses.asdict(held)}
        click.echo(as_text(told))
        return
    click.echo("\n".join(_lines(found, said, held, locked=locked)))


def _asked(work: Work, made: int | None, file: Path | None) -> tuple[list[Sought], str]:
    """The questions, and which they are in words.

    Raises:
        ConfigError: They are to be made and to be read.
        DataError: There are none.
    """
    from luthier.core.errors import ConfigError
    from luthier.core.ledger import Ledger
    from luthier.stages import living, retrieval

    if made is not None and file is not None:
        raise ConfigError("questions are made or read, not both", where="--made, --questions")
    if made is not None:
        found, of = retrieval.made_questions(work, made, Ledger()), "made from the documents"
    elif file is not None:
        from luthier.rag.measuring.file import read_questions

        found, of = read_questions(file, work.documents()), f"of {file.name}"
    else:
        found, of = living.sought(work, "validation"), "of the validation side"
    found = [one for one in found if one.relevant]
    return found, f"{len(found):,} questions {of}"


def _lines(found: Fitted, said: str, held: Compared | None, *, locked: bool) -> list[str]:
    lines = [said, "", *(f"{part.name:8} {part.text}" for part in found.parts), ""]
    if not found.settings:
        return [*lines, "Nothing is to be changed."]
    lines += ["Put this into the project file:", "", "rag:", *_yaml(found.settings)]
    if held is not None:
        gain = held.gain
        lines += [
            "",
            f"{gain.n} locked questions: {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] "
            f"nDCG@10: {held.verdict}",
        ]
    elif not locked:
        lines += [
            "",
            "`--locked` holds it against the test side: do so once, when you have chosen.",
        ]
    return lines


def _yaml(settings: dict[str, Any]) -> list[str]:
    sections: dict[str, list[str]] = {}
    for name, value in settings.items():
        section, key = name.split(".")
        sections.setdefault(section, []).append(f"{key}: {value}")
    return [f"  {section}: {{{', '.join(own)}}}" for section, own in sections.items()]
