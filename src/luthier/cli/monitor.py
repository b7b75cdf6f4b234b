"""``luthier monitor``: what was asked and answered, how fast, and whether questions drift."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page to this file.")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="How many days back are looked at.",
)
@click.option("--bundle", help="Whose evaluation questions to compare with; else the latest's.")
@click.option(
    "--store",
    "root",
    type=click.Path(path_type=Path),
    default=".luthier",
    show_default=True,
    help="Where answers are logged and bundles are made.",
)
def command(as_json: bool, html: Path | None, days: int, bundle: str | None, root: Path) -> None:
    """Sum up the answers of the last days, and test whether the questions drift."""
    from rich.console import Console

    from luthier.core.journal import FILE_NAME, Journal
    from luthier.core.store import Store
    from luthier.monitor.report import render, write_html
    from luthier.monitor.watch import MonitorSpec, watch
    from luthier.serve.bundle import LATEST, find_bundle, read_questions

    store = Store(root)
    known = bundle is not None or LATEST in store.kept()
    reference = read_questions(find_bundle(store, bundle)) if known else ()
    report = watch(Journal(root / FILE_NAME), reference, MonitorSpec(window_days=days))
    if html is not None:
        write_html(report, html)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        Console().print(render(report))
