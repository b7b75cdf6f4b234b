"""The comparison of routes as tables and sentences in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text


def show_comparison(comparison: Mapping[str, Any], console: Console) -> None:
    """Print the table of routes, the table of each kind of question, and the verdicts.

    Args:
        comparison: The summary that ``evaluate.compare`` returned.
        console: Where to print; needs 100 columns.
    """
    _routes(console, comparison)
    _kinds(console, comparison)
    _verdicts(console, comparison)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=True)
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


def _difference(found: Mapping[str, Any] | None) -> str:
    if not found:
        return "-"
    text = escape("{mean:+.2f} [{low:+.2f}, {high:+.2f}]".format(**found))
    if not found.get("clear"):
        return f"[dim]{text}[/]"
    return f"[bold green]{text}[/]" if found["mean"] > 0 else f"[bold red]{text}[/]"


_NAMES = {"token_f1": "token F1", "exact_match": "exact match"}


def _routes(console: Console, comparison: Mapping[str, Any]) -> None:
    metric = comparison["metric"]
    other = "exact_match" if metric == "token_f1" else "token_f1"
    currency = comparison.get("currency", "")
    against = comparison.get("against_base", {}).get("overall", {})
    table = _table(
        "route",
        _NAMES[metric],
        _NAMES[other].replace(" match", ""),
        "faithful",
        "perplexity",
        "p50",
        f"{currency}/1,000",
        f"against {comparison.get('base', 'base')}",
    )
    best = comparison.get("ranking", {}).get("overall", [None])[0]
    for name, route in comparison["routes"].items():
        latency = route.get("latency_p50_s")
        table.add_row(
            f"[bold]{name}[/]" if name == best else name,
            _interval((route.get(metric) or {}).get("overall")),
            _figure(_mean(route, other, "overall")),
            _figure(_mean(route, "faithfulness", "overall")),
            _figure((route.get("perplexity") or {}).get("overall"), "{:.1f}"),
            "-" if latency is None else f"{latency * 1000:.0f} ms",
            _figure(route.get("cost_per_1000"), "{:.4f}"),
            _difference(against.get(name)),
        )
    console.print(table)


def _kinds(console: Console, comparison: Mapping[str, Any]) -> None:
    kinds = list(comparison.get("kinds", {}))
    if len(kinds) < 2:
        return
    for pair in (kinds[i : i + 2] for i in range(0, len(kinds), 2)):
        _kind_table(console, comparison, pair)


def _kind_table(console: Console, comparison: Mapping[str, Any], kinds: list[str]) -> None:
    metric, routes = comparison["metric"], comparison["routes"]
    json = {k for k in kinds if any(_mean(r, "json_match", k) is not None for r in routes.values())}
    columns = ["route"]
    for kind in kinds:
        columns += [
            f"{kind}: {_NAMES[metric]}",
            *(["JSON"] if kind in json else []),
            "against base",
        ]
    table = _table(*columns)
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
        console.print(Text(f"  {sentence}", style="bold"))
    confidence, items = comparison.get("confidence", 0.95), comparison.get("items", 0)
    note = (
        f"  {confidence:.0%} paired intervals over {items} questions; in colour: clear after "
        "Holm's adjustment"
    )
    console.print(Text(note, style="dim"))
