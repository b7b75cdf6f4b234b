"""``luthier rag query``: find passages in the living index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._rag import as_text, bare, part_of, rag_options, slice_options

if TYPE_CHECKING:
    from rich.console import Console

    from luthier.rag.access import Slice
    from luthier.rag.index import Index
    from luthier.rag.retrieve import Found

_SHOWN = 240  # characters of a passage


@click.command("query")
@click.argument("question")
@rag_options
@slice_options
@click.option("--top-k", type=click.IntRange(min=1), help="Passages.", show_default="rag.top_k")
@click.option("--explain", is_flag=True, help="Say why each passage stands where it does.")
@click.option("--answer", is_flag=True, help="Take the answer out of the passages, too.")
def command(
    question: str,
    project: Path | None,
    sets: tuple[str, ...],
    names: tuple[str, ...],
    filters: tuple[str, ...],
    top_k: int | None,
    explain: bool,
    answer: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find the passages that answer QUESTION best.

    Only what the one who asks may see is looked at: without `--as`, what is open to everyone.
    """
    from rich.console import Console

    from luthier.rag.search.notes import check_keys, note as note_on
    from luthier.stages import living

    del quiet  # nothing here takes long
    part = part_of(names, filters)
    index = living.open_living(bare(project, sets))
    check_keys(index.legs, part)
    [found] = index.look_up([question], top_k, part)
    said, note = _answer(index, question, part) if answer else (None, "")
    notes = [one for one in (note_on(index.legs, part, names), note) if one]
    if as_json:
        click.echo(as_text({**_told(found, said), "notes": notes}))
    else:
        _show(found, said, Console(), explain=explain)
    for one in notes:
        click.echo(one, err=True)


def _answer(index: Index, question: str, part: Slice) -> tuple[str, str]:
    """What the route ``extractive`` answers, and whether it knows when to be silent."""
    import dataclasses

    from luthier.core.records import Message
    from luthier.models.generate import Sampling
    from luthier.rag.routes import extractive

    route = extractive(index)
    care = dataclasses.replace(route.care, viewer=part.who, part=part)
    route = dataclasses.replace(route, care=care)
    said = route.generate([(Message("user", question),)], Sampling())[0].text
    return said, "" if care.abstention is None else care.abstention.told


def _told(found: Found, said: str | None) -> dict[str, Any]:
    passages = [
        {
            "id": p.id,
            "document_id": p.document_id,
            "title": p.title,
            "text": p.text,
            "origin": p.origin,
            "start": p.start,
            "end": p.end,
            "score": p.score,
            "why": why,
        }
        for p, why in zip(found.passages, found.why, strict=True)
    ]
    told: dict[str, Any] = {
        "question": found.question,
        "changes": [{"step": c.step, "what": c.what} for c in found.changes],
        "candidates": found.ranking.candidates,
        "meaning_weight": found.ranking.meaning_weight,
        "blocked": found.ranking.blocked,
        "passages": passages,
    }
    return told if said is None else {**told, "answer": said}


def _show(found: Found, said: str | None, console: Console, *, explain: bool) -> None:
    from rich.text import Text

    if said is not None:
        console.print(Text(said, style="bold"))
        console.print()
    if not found.passages:
        console.print("Nothing was found that may be seen.")
    for place, (passage, why) in enumerate(zip(found.passages, found.why, strict=True), 1):
        head = Text(f"[{place}] {passage.title}", style="bold")
        head.append(f"  {passage.score:.3f}  {passage.origin}", style="dim")
        console.print(head)
        text = " ".join(passage.text.split())
        console.print(Text(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."))
        if explain:
            console.print(Text(f"    {why}", style="cyan"))
    if explain:
        for change in found.changes:
            console.print(Text(f"{change.step}: {change.what}", style="dim"))
        console.print(
            Text(
                f"{found.ranking.candidates:,} candidates · share of meaning "
                f"{found.ranking.meaning_weight:.2f}",
                style="dim",
            )
        )
