"""``luthier doctor``: what this machine has, and what is missing for which feature."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli._project import project_options, store_root
from luthier.core.errors import ResourceError

if TYPE_CHECKING:
    from rich.console import Console

    from luthier.setup.doctor import Report


@click.command()
@project_options
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(project: Path | None, store: Path | None, as_json: bool) -> None:
    """Show what this machine has, and what is missing for which feature.

    Ends with exit code 0 if the core works, whatever features are missing; each of these has the
    command beside it that installs it. Nothing is changed, and nothing is asked of the network.
    """
    from luthier.setup.doctor import examine

    report = examine(store_root(project, store))
    if as_json:
        told: dict[str, Any] = {"ok": report.ok, **dataclasses.asdict(report)}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        show(report, Console())
    if not report.ok:
        raise SystemExit(ResourceError.exit_code)


def show(report: Report, console: Console) -> None:
    """Print what was found.

    Args:
        report: From ``setup.doctor.examine``.
        console: Where to print; files get lines of 100 columns.
    """
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        console.width = 100
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for label, value in _lines(report):
        grid.add_row(label, Text(value))
    console.print(grid)
    if report.features:
        console.print()
        console.print(_features(report))
    for note in report.notes:
        console.print()
        console.print(Text(note, style="yellow"))
    console.print()
    ready = sum(not f.missing for f in report.features)
    state = "The core works" if report.ok else "The core does not work"
    console.print(
        Text(f"{state}; {ready} of {len(report.features)} features are ready.", style="bold")
    )


def _lines(report: Report) -> list[tuple[str, str]]:
    memory = report.memory
    free = f"{_gb(memory.free_bytes)} free of {_gb(memory.total_bytes)}"
    if memory.limit_bytes is not None:
        free += f", limited to {_gb(memory.limit_bytes)} by the container"
    has = [name for name, there in report.instructions.items() if there]
    lacks = [name for name, there in report.instructions.items() if not there]
    sets = (", ".join(has) or "none of note") if report.instructions else "unknown"
    gpus = [
        f"{g.name}, {_gb(g.memory_bytes)}, compute capability {g.compute_capability}, "
        f"{'bfloat16' if g.bfloat16 else 'no bfloat16'}"
        for g in report.gpus
    ]
    if report.mps:
        gpus.append("Apple (MPS)")
    lines = [
        ("Luthier", report.luthier or "not installed as a package"),
        ("Python", report.python),
        ("torch", report.torch or "not installed"),
        ("system", report.system),
        ("processor", f"{report.processor}, {report.cores} cores for this process"),
        ("instructions", sets + (f" (not {', '.join(lacks)})" if lacks else "")),
        ("memory", free),
        ("GPU", "\n".join(gpus) or "none"),
        ("driver", report.driver),
        ("TPU", "yes" if report.tpu else "none"),
        ("disk", f"{_gb(report.disk_free_bytes)} free for {report.store}"),
        ("libraries", ", ".join(f"{n} {v}" for n, v in report.libraries.items())),
    ]
    return [(label, value) for label, value in lines if value]


def _features(report: Report) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("feature", "missing", "to mend"):
        table.add_column(title, overflow="fold")
    for feature in report.features:
        if feature.missing:
            table.add_row(feature.name, Text(", ".join(feature.missing)), Text(feature.mend))
        else:
            table.add_row(feature.name, Text("nothing", style="green"), "")
    return table


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
