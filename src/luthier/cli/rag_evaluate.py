"""``luthier rag evaluate``: how well the living index finds what answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from luthier.cli._rag import as_text, gather, rag_options

if TYPE_CHECKING:
    from luthier.rag.measure import Measurement


@click.command("evaluate")
@rag_options
@click.option(
    "--side",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The side of the project's rows whose questions are asked.",
)
@click.option(
    "--made",
    type=click.IntRange(min=1),
    help="Ask so many questions made from the documents instead.",
)
@click.option(
    "--as", "names", multiple=True, metavar="NAME", help="Ask in the name of a user or group."
)
def command(
    project: Path | None,
    sets: tuple[str, ...],
    side: Literal["validation", "test"],
    made: int | None,
    names: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the search on questions whose answers stand in a known document.

    recall@k, precision@k, MRR, MAP and nDCG@10 with intervals, by type of question; questions of
    one group are resampled together. What a viewer may not see is not expected, and what is given
    out all the same is told as a leak (exit code 1).
    """
    from luthier.core.ledger import Ledger
    from luthier.rag.access import viewer
    from luthier.rag.measure import as_viewer
    from luthier.stages import living, retrieval

    work = gather(project, sets, quiet=quiet, until="split")
    ledger = Ledger()
    if made is not None:
        questions = retrieval.made_questions(work, made, ledger)
    else:
        questions = living.sought(work, side)
    if names:
        questions = as_viewer(questions, viewer(names))
    found = retrieval.evaluate(work, questions)
    if as_json:
        click.echo(as_text(_told(found)))
    else:
        said = f"{side} side"
        if made is not None:
            said = f"made from the documents, {ledger.refused:,} others refused as unfair"
        click.echo(f"{len(questions):,} questions, {said}")
        _show(found)
    if found.leaks:
        raise SystemExit(1)


def _show(found: Measurement) -> None:
    """A line for each metric, a column for each kind of question or viewer."""
    from rich.console import Console
    from rich.table import Table

    rows = found.rows()
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(f"{row.scope} ({row.questions:,})", justify="right")
    for name in found.values:
        told = (row.figures[name] for row in rows)
        table.add_row(name, *(f"{f.mean:.3f} [{f.low:.3f}, {f.high:.3f}]" for f in told))
    Console().print(table)
    lines = found.text().splitlines()
    click.echo("\n".join(lines[1 + len(rows) :]))


def _told(found: Measurement) -> dict[str, Any]:
    rows = [
        {
            "scope": row.scope,
            "questions": row.questions,
            **{name: dataclasses.asdict(figure) for name, figure in row.figures.items()},
        }
        for row in found.rows()
    ]
    return {
        "rows": rows,
        "p50_ms": found.latency_ms(50),
        "p95_ms": found.latency_ms(95),
        "leaks": [dataclasses.asdict(one) for one in found.leaks],
    }
