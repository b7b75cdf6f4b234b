"""The training plan on the screen: what, how much, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

ITEMS = {
    "weights": "the model's, and an adapter's",
    "master": "float32 copies of what is trained",
    "optimizer": "its state",
    "gradients": "of the pass, and their float32 sums",
    "activations": "kept for the backward pass",
    "output": "logits, and the gradient of the vocabulary projection",
    "best": "the best weights so far",
    "snapshot": "the copy a checkpoint is written from, when gradients are gone",
}


def show(plan: Mapping[str, Any], console: Console) -> None:
    """Print a plan.

    Args:
        plan: See ``setup.plan.Plan``, as plain data.
        console: Where to print; files get lines of 100 columns.
    """
    if not console.is_terminal:
        console.width = 100
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("plan")
    table.add_column("", justify="right")
    table.add_column("why", overflow="fold")
    for label, value, name in _rows(plan):
        table.add_row(f"  {label}", value, Text(plan["reasons"].get(name, ""), style="dim"))
    console.print(table)
    console.print()
    needs = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    needs.add_column("memory")
    needs.add_column("GB", justify="right")
    needs.add_column("what for", overflow="fold")
    for name, what in ITEMS.items():
        if size := plan["needs"][name]:
            needs.add_row(f"  {name}", f"{size / 1e9:.3f}", Text(what, style="dim"))
    needed, free = plan["memory_needed_bytes"], plan["memory_bytes"]
    told = f"of {free / 1e9:.1f} GB free; {plan['reasons'].get('memory_needed_bytes', '')}"
    needs.add_row("  at most", Text(f"{needed / 1e9:.3f}", style="bold"), told)
    console.print(needs)


def _rows(plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Label, value, and the attribute of the plan it comes from."""
    rows = [
        ("device", plan["device"], "device"),
        ("precision", plan["precision"], "precision"),
        ("threads", str(plan["threads"]), "threads"),
        ("tokens at once", f"{plan['micro_batch_tokens']:,}", "micro_batch_tokens"),
        ("passes to a step", str(plan["accumulation"] or "all"), "accumulation"),
        (
            "activation checkpointing",
            "on" if plan["activation_checkpointing"] else "off",
            "activation_checkpointing",
        ),
    ]
    shared = f" ({plan['parallel']})" if plan["processes"] > 1 else ""
    rows.insert(2, ("processes", f"{plan['processes']}{shared}", "processes"))
    if plan["quantisation"] != "none":
        rows.append(("frozen weights", plan["quantisation"], "quantisation"))
    return rows
