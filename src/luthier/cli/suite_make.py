"""``luthier suite make``: a suite of the user's rows, or of a project's test side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli._project import PROJECT

if TYPE_CHECKING:
    from luthier.evaluate.suite import Item

KINDS = (
    *("qa", "generation", "classification", "choice", "structured", "conversation", "retrieval"),
    "text",
)


@click.command("make")
@click.argument("suite", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--name", help="What the suite is called.  [default: the file's name]")
@click.option("--kind", type=click.Choice(KINDS), help="Of all items.  [default: as the rows look]")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column holds question, answer, options, context, system, id, group, tags, schema.",
)
@click.option("--system", default="", help="Stands before every prompt.")
@click.option(
    "--prompt", default="", help="The prompt, with {question}, {context} or a column in braces."
)
@click.option("--without-context", is_flag=True, help="Ask without the passage that answers.")
@click.option("--max-items", type=click.IntRange(min=1), help="At most; the same ones every time.")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help=f"Without files: the project whose test side is taken.  [default: {PROJECT}]",
)
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(
    suite: Path,
    files: tuple[Path, ...],
    name: str | None,
    kind: str | None,
    maps: tuple[str, ...],
    system: str,
    prompt: str,
    without_context: bool,
    max_items: int | None,
    project: Path | None,
    quiet: bool,
) -> None:
    """Make SUITE of rows in FILEs, or of a project's locked test side.

    FILEs are JSON lines, JSON, CSV, TSV, Parquet or plain texts. Layouts that are recognised:
    question and answer, text and label, chat messages, SQuAD, MMLU, ARC, HellaSwag, GSM8K,
    CLINC150, texts; any other with --map.
    """
    from luthier.core.errors import ConfigError
    from luthier.evaluate.suite import from_items, write_suite
    from luthier.evaluate.suites.examples import choose
    from luthier.evaluate.suites.layouts import FIELDS, Making, items_of

    columns = dict(one.split("=", 1) for one in maps if "=" in one)
    if len(columns) < len(maps) or set(columns) - set(FIELDS):
        raise ConfigError(
            "--map takes FIELD=COLUMN, each field once",
            where=" ".join(maps),
            mend=f"Fields are {', '.join(FIELDS)}.",
        )
    if files:
        making = Making(kind or "", columns, system, prompt, not without_context)
        items = [item for path in files for item in items_of(path, making)]
    else:
        items = _test_side(project, quiet)
    made = write_suite(from_items(name or suite.stem, choose(items, max_items)), suite)
    kinds = ", ".join(f"{k} {count:,}" for k, count in made.kinds.items())
    click.echo(f"{suite}: {len(made.items):,} items ({kinds}), locked, digest {made.digest[:16]}")
    if len(made.items) < len(items):
        click.echo(f"{len(items) - len(made.items):,} others left out, by --max-items")


def _test_side(project: Path | None, quiet: bool) -> list[Item]:
    from luthier.cli._rag import gather
    from luthier.evaluate.suites.examples import from_examples

    work = gather(project, (), quiet=quiet, until="split")
    return from_examples(work.examples("test"))
