"""The decision on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from luthier.evaluate.decision import words

SPARED = ("p95", "an update", "per 1,000", "p50")
"""Columns that are left out where there is no room, the first first."""
GREEN = ("taken", "holds here")
DIM = ("worse", "not allowed", "not measured")


def show_decision(told: Mapping[str, Any], console: Console, page: Path) -> None:
    """Print what was measured, what to take, and why.

    Args:
        told: The content of ``decision.json``.
        console: Where to print; columns that do not fit are left to the page.
        page: The page with the pictures.
    """
    _section(console, "Routes", *_fitting(*words.routes(told), console.width))
    _section(console, "How they answer", *words.behaviour(told))
    if told["update"]:
        facts = told["update"]["facts"]
        _note(
            console, f"of {facts} facts that changed: known before; told as before, told anew after"
        )
    header, rows = words.diagnosis(told)
    named = {told["advice"]["pick"], told["advice"]["runner_up"], told["ranking"][0]}
    _section(console, "Why answers are wrong", header, [r for r in rows if r[0] in named])
    _section(console, "What is commonly advised", *words.lessons(told))
    _advice(console, told)
    console.print()
    _note(console, words.basis(told))
    _note(console, f"all routes, pictures and intervals: {page}")


def _fitting(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[str], list[list[str]]]:
    """The columns that fit; the page has them all."""
    left_out: list[int] = []
    for name in SPARED:
        if _width(header, rows, left_out) > width and name in header:
            left_out.append(list(header).index(name))
    kept = [i for i in range(len(header)) if i not in left_out]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _width(header: Sequence[str], rows: Sequence[Sequence[str]], left_out: Sequence[int]) -> int:
    """Of a table without some columns."""
    kept = (i for i in range(len(header)) if i not in left_out)
    return 1 + sum(max(len(line[i]) for line in (header, *rows)) + 1 for i in kept)


def _section(
    console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    if not rows:
        return
    console.print()
    console.print(Text(title, style="bold"))
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    texts = title.startswith("What")
    for i, name in enumerate(header):
        left = i == 0 or texts or name in ("wrong because", "")
        table.add_column(name, justify="left" if left else "right", no_wrap=not texts)
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    console.print(table)


def _cell(cell: str) -> Text:
    style = "bold green" if cell in GREEN else "dim" if cell in DIM else ""
    return Text(cell, style=style)


def _advice(console: Console, told: Mapping[str, Any]) -> None:
    advice = told["advice"]
    console.print()
    console.print(Padding(Text(advice["sentence"], style="bold"), (0, 0, 0, 1)))
    for line in (*advice["reasons"], *advice["apart"]):
        console.print(Padding(Text(line), (0, 0, 0, 3)))
    if advice["changes"]:
        console.print(Padding(Text("It would be otherwise"), (1, 0, 0, 1)))
        for line in advice["changes"]:
            console.print(Padding(Text(line), (0, 0, 0, 3)))
    for name, one in told["routes"].items():
        if one["breaks"]:
            line = f"Not allowed: {name}, for {'; '.join(one['breaks'])}"
            console.print(Padding(Text(line), (0, 0, 0, 1)))


def _note(console: Console, line: str) -> None:
    console.print(Padding(Text(line, style="dim"), (0, 0, 0, 1)))
