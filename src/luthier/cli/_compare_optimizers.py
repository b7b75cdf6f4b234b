"""``luthier tune --compare-optimizers``: the runs, the table, and where the curves are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table

from luthier import pipeline
from luthier.config import Project
from luthier.core.progress import Progress
from luthier.stages.compare_optimizers import compare_optimizers
from luthier.stages.work import Work
from luthier.tune import compare

_NOT_NEEDED = ("classify",)  # of the stages before tuning


def run(
    project: Project,
    base: Path,
    kinds: Sequence[str],
    progress: Progress,
    *,
    as_json: bool,
    console: Console,
) -> None:
    """Make what tuning needs, compare the optimizers, and print what was found.

    Args:
        project: The settings.
        base: Folder of the project file.
        kinds: Names of optimizers; all if there are none.
        progress: Shows bars.
        as_json: JSON on standard output instead of the table.
        console: Where the table goes.

    Raises:
        LuthierError: An optimizer does not exist, or a stage failed.
    """
    chosen = compare.named(kinds)
    work = Work(project, base, progress)
    for name, stage in pipeline.STAGES:
        if name == "tune":
            break
        if name not in _NOT_NEEDED:
            stage(work)
    made = compare_optimizers(work, chosen)
    if as_json:
        told = {"path": str(made.path), **made.summary}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    show(made.summary, console)
    for name in ("curves.html", "curves.svg", "optimizers.json"):
        if (made.path / name).is_file():
            console.print(str(made.path / name), markup=False, highlight=False, soft_wrap=True)


def show(summary: dict[str, Any], console: Console) -> None:
    """Print the table and what to know of it.

    Args:
        summary: Of the artifact.
        console: Where to.
    """
    outcomes = [compare.Outcome(**told) for told in summary["outcomes"]]
    head, *rows = compare.table(outcomes, summary["target"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(head):
        justify: Literal["left", "right"] = "left" if place == 0 else "right"
        table.add_column(name, justify=justify, no_wrap=place == 0)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if any(o.edge and not o.failed for o in outcomes):
        console.print(
            "↑ ↓ the highest or the lowest of the rates tried: one beyond may be better",
            highlight=False,
        )
    for one in outcomes:
        if one.failed:
            console.print(f"{one.kind}: {one.failed}", markup=False, highlight=False)
