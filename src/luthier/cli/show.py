"""``luthier show``: what was made, from what, and which rows were left out on the way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._project import project_options, store_root

if TYPE_CHECKING:
    from rich.console import Console

    from luthier.core.store import Artifact, Store


@click.command()
@click.argument("name", required=False)
@project_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(name: str | None, project: Path | None, store: Path | None, as_json: bool) -> None:
    """List what was made, or show the artifact NAME.

    The beginning of a name is enough where only one artifact begins so.
    """
    from luthier.core.store import Store

    made = Store(store_root(project, store))
    if name is None:
        rows = listing(made)
        if as_json:
            click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        else:
            _show_listing(rows, made)
        return
    facts = details(made, made.open(name))
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        _show_details(facts)


def listing(store: Store) -> list[dict[str, Any]]:
    """A row for each artifact, newest first: name, stage, made_at, seconds, bytes, kept by."""
    kept: dict[str, list[str]] = {}
    for root, name in store.kept().items():
        for artifact in store.lineage(store.open(name)):
            kept.setdefault(artifact.name, []).append(root)
    return [
        {
            "name": artifact.name,
            "stage": artifact.stage,
            "made_at": _manifest(artifact)["made_at"],
            "seconds": artifact.wall_s,
            "bytes": _size(artifact.path),
            "kept_by": kept.get(artifact.name, []),
        }
        for artifact in reversed(store.all())
    ]


def details(store: Store, artifact: Artifact) -> dict[str, Any]:
    """All that is known of an artifact: manifest, files, lineage, and its ledger by reason."""
    from luthier.core.ledger import FILE_NAME, read_ledger

    files = sorted(p for p in artifact.path.rglob("*") if p.is_file())
    facts: dict[str, Any] = {
        "name": artifact.name,
        "path": str(artifact.path),
        "manifest": _manifest(artifact),
        "files": {str(p.relative_to(artifact.path)): p.stat().st_size for p in files},
        "made_from": [a.name for a in store.lineage(artifact)[1:]],
    }
    if (artifact.path / FILE_NAME).is_file():
        ledger = read_ledger(artifact.path)
        facts["ledger"] = {
            "refused": ledger.reasons("refused"),
            "changed": ledger.reasons("changed"),
            "first": {
                reason: next(e.origin for e in ledger.entries if e.reason == reason)
                for reason in {e.reason for e in ledger.entries}
            },
        }
    return facts


def human_size(size: int) -> str:
    """``3.4 MB``: powers of 1,000."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return (
        f"{value:.0f} {units[0]}" if value >= 99.5 or units[0] == "B" else f"{value:.1f} {units[0]}"
    )


def human_age(made_at: str, now: float | None = None) -> str:
    """``5 min``: how long ago a time such as ``2026-11-22T10:00:00Z`` was."""
    import calendar

    made = calendar.timegm(time.strptime(made_at, "%Y-%m-%dT%H:%M:%SZ"))
    seconds = max(0.0, (time.time() if now is None else now) - made)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _manifest(artifact: Artifact) -> dict[str, Any]:
    from luthier.core.store import MANIFEST

    loaded: dict[str, Any] = json.loads((artifact.path / MANIFEST).read_text(encoding="utf-8"))
    return loaded


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _show_listing(rows: list[dict[str, Any]], store: Store) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not rows:
        console.print(f"nothing made yet in {store.root}", markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("artifact", no_wrap=True)
    for title in ("age", "made in", "size"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("kept by")
    for row in rows:
        table.add_row(
            row["name"],
            human_age(row["made_at"]),
            f"{row['seconds']:.1f} s",
            human_size(row["bytes"]),
            ", ".join(row["kept_by"]) or "[dim]-[/]",
        )
    console.print(table)
    total = human_size(sum(row["bytes"] for row in rows))
    free = sum(row["bytes"] for row in rows if not row["kept_by"])
    console.print(f"{total} in {store.root}", markup=False, highlight=False)
    if free:
        console.print(f"`luthier gc` would free {human_size(free)}", highlight=False)


def _show_details(facts: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    manifest = facts["manifest"]
    console.print(f"[bold]{facts['name']}[/]  {facts['path']}", highlight=False, soft_wrap=True)
    made = f"made {human_age(manifest['made_at'])} ago in {manifest['wall_s']:.1f} s"
    console.print(f"{made} by Luthier {manifest['luthier']}", highlight=False)
    for title, key in (("what it says", "summary"), ("inputs", "inputs"), ("recorded", "recorded")):
        _block(console, title, manifest[key])
    _block(console, "made from", facts["made_from"])
    _block(console, "files", {n: human_size(size) for n, size in facts["files"].items()})
    if "ledger" in facts:
        for action in ("refused", "changed"):
            first = facts["ledger"]["first"]
            lines = [
                f"{number:>7}  {reason}  (first: {first[reason]})"
                for reason, number in facts["ledger"][action].items()
            ]
            _block(console, f"rows {action}", lines)


def _block(console: Console, title: str, value: Any) -> None:
    if not value:
        return
    console.print(f"\n[bold]{title}[/]")
    if isinstance(value, dict):
        value = [f"{key}: {json.dumps(one, ensure_ascii=False)}" for key, one in value.items()]
    for line in value:
        text = line if len(line) <= 400 else line[:397] + "..."
        console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)
