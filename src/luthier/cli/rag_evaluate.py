"""``luthier rag evaluate``: how well the living index finds what answers, and answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._rag import as_text, gather, rag_options
from luthier.cli._rag_measured import show, told
from luthier.cli._rag_questions import Asked, chosen, needed, question_options

if TYPE_CHECKING:
    from luthier.evaluate.documents import Answers
    from luthier.pipeline import Stop
    from luthier.rag.measure import Measurement

ROUTES = ("extractive", "rag", "rag+fine-tuned")


@click.command("evaluate")
@rag_options
@question_options
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="SEARCH",
    help="Measure another search, too: bm25, dense, hybrid, or settings under rag "
    "(retriever=dense,ranking.title_weight=0). May be given again.",
)
@click.option("--answers", is_flag=True, help="Have the questions answered, and measure that.")
@click.option(
    "--route",
    "routes",
    multiple=True,
    type=click.Choice(ROUTES),
    help="Who answers; may be given again.  [default: all that need no training]",
)
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page, too."
)
def command(
    project: Path | None,
    sets: tuple[str, ...],
    side: Asked,
    made: int | None,
    file: Path | None,
    most: int | None,
    names: tuple[str, ...],
    others: tuple[str, ...],
    answers: bool,
    routes: tuple[Any, ...],
    page: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the search, and answers, on questions whose answers stand in a known document.

    The search: recall@k, precision@k, MRR, MAP and nDCG@10. Answers: exact match and token F1,
    faithfulness, use of the passages, citations, and what is rightly withheld; no model judges.
    All with intervals, by type of question; searches and routes are compared question by question.
    What a viewer may not see is not expected, and what is given out all the same is told as a leak
    (exit code 1).
    """
    from luthier.stages import measuring

    asking = answers or bool(routes)
    work = gather(project, sets, quiet=quiet, until=_until(made, file, routes))
    asked, said = chosen(work, side, made, file, most, names)
    found = measuring.searches(work, asked, others)
    given = measuring.answers(work, asked, routes or measuring.routes_of(work)) if asking else {}
    notes = [measuring.abstention(work)] if asking else []
    if page is not None:
        from luthier.evaluate.documents_page import measured_page
        from luthier.evaluate.page import write_page

        write_page(measured_page(work.project.name, said, found, given, notes), page)
    if as_json:
        click.echo(as_text(_told(said, found, given, notes)))
    else:
        click.echo(said)
        show(found)
        show({name: one.measured for name, one in given.items()})
        click.echo("".join(f"{note}\n" for note in notes), nl=False)
        if page is not None:
            click.echo(f"page  {page}")
    every = [*found.values(), *(one.measured for one in given.values())]
    if any(one.leaks for one in every):
        raise SystemExit(1)


def _until(made: int | None, file: Path | None, routes: tuple[str, ...]) -> Stop:
    """The stage that is needed: a tuned model, or questions."""
    return "tune" if "rag+fine-tuned" in routes else needed(made, file)


def _told(
    said: str,
    found: Mapping[str, Measurement],
    given: Mapping[str, Answers],
    notes: list[str],
) -> dict[str, Any]:
    made: dict[str, Any] = {"questions": said, "searches": told(found)}
    if given:
        made["routes"] = told({name: one.measured for name, one in given.items()})
        made["answers"] = {
            name: [dataclasses.asdict(answer) for answer in one.given]
            for name, one in given.items()
        }
        made["notes"] = notes
    return made
