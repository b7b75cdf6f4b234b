"""``luthier monitor``: what was asked and answered, how fast, and whether questions drift."""

from __future__ import annotations

import json
from pathlib import Path

import click

from luthier.cli._project import project_options, read_project, store_root


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page to this file.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="How many days back are looked at.",
    show_default="monitor.window_days",
)
@click.option("--bundle", help="Whose evaluation questions to compare with; else the latest's.")
@project_options
def command(
    as_json: bool,
    html: Path | None,
    days: int | None,
    bundle: str | None,
    project: Path | None,
    store: Path | None,
) -> None:
    """Sum up the answers of the last days, and test whether the questions drift."""
    from rich.console import Console

    from luthier.core.journal import FILE_NAME, Journal
    from luthier.core.store import Store
    from luthier.monitor.report import render, write_html
    from luthier.monitor.watch import MonitorSpec, watch
    from luthier.serve.bundle import LATEST, find_bundle, read_questions

    found = read_project(project, store)
    spec = found.monitor if found else MonitorSpec()
    if days is not None:
        spec = spec.model_copy(update={"window_days": days})
    made = Store(store_root(project, store))
    known = bundle is not None or LATEST in made.kept()
    reference = read_questions(find_bundle(made, bundle)) if known else ()
    report = watch(Journal(made.root / FILE_NAME), reference, spec)
    if html is not None:
        write_html(report, html)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        Console().print(render(report))
