"""Measurements of searches and answers, on a screen and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from luthier.rag.measure import Measurement

TYPES = 4
"""So many types of questions have a column on the screen; JSON and the page have all."""
_WIDE = 200


def show(measured: Mapping[str, Measurement]) -> None:
    """A line for each metric, and a column for each of several, or for each type of questions."""
    if not measured:
        return
    click.echo()
    if len(measured) == 1:
        [(name, one)] = measured.items()
        _by_type(name, one)
    else:
        _side_by_side(measured)
        _gaps(measured)
    for name, one in measured.items():
        before = f"{name}: " if len(measured) > 1 else ""
        click.echo("\n".join(f"{before}{note}" for note in one.notes()))


def told(measured: Mapping[str, Measurement]) -> dict[str, Any]:
    """For a program: the figures of each, and its differences to the first."""
    from luthier.evaluate.documents_page import gaps

    made: dict[str, Any] = {}
    for name, one in measured.items():
        rows = [
            {
                "scope": row.scope,
                "questions": row.questions,
                **{metric: dataclasses.asdict(figure) for metric, figure in row.figures.items()},
            }
            for row in one.rows()
        ]
        made[name] = {
            "rows": rows,
            "p50_ms": dataclasses.asdict(one.latency(50)),
            "p95_ms": dataclasses.asdict(one.latency(95)),
            "leaks": [dataclasses.asdict(leak) for leak in one.leaks],
        }
    differences = [
        {"pair": name, "metric": metric, "scope": scope, **dataclasses.asdict(gap)}
        for name, metric, scope, gap in gaps(measured, _metrics(measured))
    ]
    return {"measured": made, "differences": differences}


def _metrics(measured: Mapping[str, Measurement]) -> list[str]:
    return list(next(iter(measured.values())).values)


def _by_type(name: str, one: Measurement) -> None:
    from luthier.rag.measure import figure_text

    rows = one.rows()
    shown = [rows[0], *sorted(rows[1:], key=lambda row: -row.questions)[:TYPES]]
    table = _table(name, [f"{row.scope} ({row.questions:,})" for row in shown])
    for metric in one.values:
        table.add_row(metric, *(figure_text(row.figures.get(metric)) for row in shown))
    _print(table)
    if len(shown) < len(rows):
        click.echo(f"{len(rows) - len(shown)} more types: --json or --html")


def _side_by_side(measured: Mapping[str, Measurement]) -> None:
    from luthier.rag.measure import figure_text

    table = _table("", list(measured))
    whole = [one.rows()[0].figures for one in measured.values()]
    for metric in _metrics(measured):
        table.add_row(metric, *(figure_text(figures.get(metric)) for figures in whole))
    _print(table)


def _gaps(measured: Mapping[str, Measurement]) -> None:
    """The paired differences over all questions."""
    from luthier.evaluate.documents_page import gaps
    from luthier.rag.measure import ALL

    click.echo()
    table = _table("", ["metric", "gain [95 %]", "p", "verdict"])
    for name, metric, scope, gap in gaps(measured, _metrics(measured)):
        if scope == ALL:
            gain = f"{gap.gain.mean:+.3f} [{gap.gain.low:+.3f}, {gap.gain.high:+.3f}]"
            table.add_row(name, metric, gain, f"{gap.p:.4f}", gap.verdict)
    _print(table)


def _table(first: str, columns: list[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:  # a file has room for every figure
        console = Console(width=_WIDE)
    console.print(table)
