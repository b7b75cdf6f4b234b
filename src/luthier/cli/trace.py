"""``luthier trace``: from a served answer back to files and lines."""

from __future__ import annotations

import json
from pathlib import Path

import click

from luthier.cli._project import project_options, store_root


@click.command()
@click.argument("answer_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@project_options
def command(answer_id: str, as_json: bool, project: Path | None, store: Path | None) -> None:
    """Show where an answer came from: bundle, weights, data, passages with file and line.

    ANSWER_ID is the reply's id, an unambiguous beginning of it, or `last`.
    """
    from rich.console import Console

    from luthier.core.journal import FILE_NAME, Journal
    from luthier.core.store import Store
    from luthier.serve.trace import render, trace

    root = store_root(project, store)
    found = trace(answer_id, Journal(root / FILE_NAME), Store(root))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        Console().print(render(found))
