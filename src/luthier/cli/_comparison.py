"""The comparison of routes as tables and sentences in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

WIDTH = 100
"""Columns of the screen; narrower terminals get fewer figures."""

Cell = Callable[[str, Mapping[str, Any]], str]  # from a route's name and figures
_NAMES = {"token_f1": "token F1", "exact_match": "exact match"}
_SHORT = {"token_f1": "F1", "exact_match": "exact"}


def show_comparison(comparison: Mapping[str, Any], console: Console) -> None:
    """Print the table of routes, the table of each kind of question, and the verdicts.

    Args:
        comparison: The summary that ``evaluate.compare`` returned.
        console: Where to print; from 100 columns on, all figures fit.
    """
    _routes(console, comparison)
    _kinds(console, comparison)
    _verdicts(console, comparison)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for i, title in enumerate(columns):
        table.add_column(title, justify="left" if i == 0 else "right", no_wrap=True)
    return table


def _figure(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)


def _interval(interval: Mapping[str, float] | None) -> str:
    if not interval:
        return "-"
    return escape("{mean:.2f} [{low:.2f}, {high:.2f}]".format(**interval))


def _mean(route: Mapping[str, Any], metric: str, scope: str) -> float | None:
    interval = (route.get(metric) or {}).get(scope)
    return interval["mean"] if interval else None


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 9.9995 else f"{seconds:.1f} s"


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text


def _difference(found: Mapping[str, Any] | None) -> str:
    if not found:
        return "-"
    mean, low, high = (_signed(found[key]) for key in ("mean", "low", "high"))
    text = escape(f"{mean} [{low}, {high}]")
    if not found.get("clear"):
        return f"[dim]{text}[/]"
    return f"[bold green]{text}[/]" if found["mean"] > 0 else f"[bold red]{text}[/]"


def _routes(console: Console, comparison: Mapping[str, Any]) -> None:
    metric = comparison["metric"]
    other = "exact_match" if metric == "token_f1" else "token_f1"
    against = comparison.get("against_base", {}).get("overall", {})
    best = comparison.get("ranking", {}).get("overall", [None])[0]
    columns: dict[str, Cell] = {
        "route": lambda name, _: f"[bold]{name}[/]" if name == best else name,
        _NAMES[metric]: lambda _, route: _interval((route.get(metric) or {}).get("overall")),
        _SHORT[other]: lambda _, route: _figure(_mean(route, other, "overall")),
        "faithful": lambda _, route: _figure(_mean(route, "faithfulness", "overall")),
        "perpl.": lambda _, r: _figure((r.get("perplexity") or {}).get("overall"), "{:.1f}"),
        "p50": lambda _, route: _latency(route.get("latency_p50_s")),
        f"{comparison.get('currency', '')}/1,000": lambda _, route: _figure(
            route.get("cost_per_1000"), "{:.4f}"
        ),
        f"against {comparison.get('base', 'base')}": lambda name, _: _difference(against.get(name)),
    }
    if console.width < WIDTH:  # the report has them
        columns = {t: c for t, c in columns.items() if t != "perpl." and "/1,000" not in t}
    table = _table(list(columns))
    for name, route in comparison["routes"].items():
        table.add_row(*(cell(name, route) for cell in columns.values()))
    console.print(table)


def _kinds(console: Console, comparison: Mapping[str, Any]) -> None:
    kinds = list(comparison.get("kinds", {}))
    if len(kinds) < 2:
        return
    beside = 2 if console.width >= WIDTH else 1
    for some in (kinds[i : i + beside] for i in range(0, len(kinds), beside)):
        _kind_table(console, comparison, some)


def _kind_table(console: Console, comparison: Mapping[str, Any], kinds: Sequence[str]) -> None:
    metric, routes = comparison["metric"], comparison["routes"]
    json = {k for k in kinds if any(_mean(r, "json_match", k) is not None for r in routes.values())}
    base = f"against {comparison.get('base', 'base')}"
    columns = ["route"]
    for kind in kinds:
        columns += [f"{kind}: {_NAMES[metric]}", *(["JSON"] if kind in json else []), base]
    table = _table(columns)
    for name, route in routes.items():
        cells = [name]
        for kind in kinds:
            cells.append(_figure(_mean(route, metric, kind)))
            if kind in json:
                cells.append(_figure(_mean(route, "json_match", kind)))
            against = comparison.get("against_base", {}).get(kind, {})
            cells.append(_difference(against.get(name)))
        table.add_row(*cells)
    console.print()
    console.print(table)


def _verdicts(console: Console, comparison: Mapping[str, Any]) -> None:
    console.print()
    for sentence in comparison.get("headline", {}).values():
        console.print(Padding(Text(sentence, style="bold"), (0, 0, 0, 2)))
    confidence, items = comparison.get("confidence", 0.95), comparison.get("items", 0)
    note = (
        f"{confidence:.0%} paired intervals over {items} questions; in colour: clear after "
        "Holm's adjustment"
    )
    console.print(Padding(Text(note, style="dim"), (0, 0, 0, 2)))
