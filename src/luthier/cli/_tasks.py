"""``luthier data tasks``: rows go out to the people who label, and their labels come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from luthier.data.annotate.annotate import AnnotateSpec
    from luthier.data.annotate.items import Item
    from luthier.data.annotate.tasks import Format

FORMATS = ("xlsx", "csv", "label-studio", "prodigy")


@click.group("tasks")
def tasks() -> None:
    """Send rows to the people who label, and take their labels back.

    Rows are those that `luthier data clean` left; labels are kept in the file that
    `data.annotate.people.labels` names. `luthier data annotate` puts them to use.
    """


@tasks.command("export")
@click.argument("project", default="luthier.yaml", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(FORMATS), default="xlsx", show_default=True,
              help="Kind of file.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default="tasks",
              show_default=True, help="Where the files go.")  # fmt: skip
@click.option("--adjudicate", is_flag=True, help="Rows that people disagree on.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows for each person.")
def export(project: Path, to: str, folder: Path, adjudicate: bool, limit: int | None) -> None:
    """Write a file of unlabelled rows for each annotator.

    Rows an annotator has labelled already are not written again. Where `luthier data annotate` has
    queued rows, these come first.
    """
    from luthier.core.ledger import Ledger
    from luthier.data.annotate.adjudicate import disagreements
    from luthier.data.annotate.annotate import scheme_of
    from luthier.data.annotate.labels import read_labels
    from luthier.data.annotate.tasks import export_tasks, open_tasks

    spec, items, base = _open(project)
    labels = read_labels(base / spec.people.labels)
    people = spec.people
    if adjudicate:
        waiting = {people.adjudicator: disagreements(items, labels, people.adjudicator)}
    else:
        waiting = open_tasks(items, labels, people.annotators, overlap=people.overlap)
    ledger = Ledger()
    kind = cast("Format", to)
    for name, open_ones in waiting.items():
        chosen = open_ones[:limit]
        if not chosen:
            click.echo(f"{name}: nothing is left to label")
            continue
        written = export_tasks(chosen, scheme_of(spec, base), kind, folder, name, ledger)
        click.echo(f"{name}: {len(chosen):,} rows in {', '.join(map(str, written))}")
    _tell(ledger.reasons())


@tasks.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--project", default="luthier.yaml", type=click.Path(path_type=Path),
              help="The project file.  [default: luthier.yaml]")  # fmt: skip
@click.option("--annotator", default="", help="Whose labels these are, if the file doesn't say.")
def import_(files: tuple[Path, ...], project: Path, annotator: str) -> None:
    """Take filled FILES back, however much of them is filled in."""
    from luthier.core.ledger import Ledger
    from luthier.data.annotate.annotate import scheme_of
    from luthier.data.annotate.labels import save_labels
    from luthier.data.annotate.tasks import import_tasks

    spec, items, base = _open(project)
    ledger = Ledger()
    for path in files:
        found = import_tasks(path, items, scheme_of(spec, base), ledger, annotator=annotator)
        new = save_labels(base / spec.people.labels, found.labels)
        click.echo(f"{path}: {found.rows:,} rows, {new:,} new labels, {found.open:,} still open")
    for entry in ledger.entries:
        click.echo(f"  {entry.action}: {entry.origin}: {entry.reason} ({entry.detail})", err=True)


@tasks.command("agreement")
@click.argument("project", default="luthier.yaml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def agreement(project: Path, as_json: bool) -> None:
    """How far annotators agree: Krippendorff's alpha, Fleiss' and Cohen's kappa with intervals."""
    from luthier.data.annotate.agreement import agreement as measure
    from luthier.data.annotate.labels import read_labels, votes_of

    spec, _, base = _open(project)
    labels = read_labels(base / spec.people.labels)
    votes = votes_of(labels, without=spec.people.adjudicator)
    found = [one.plain() for one in measure(votes, spec.labels, level=spec.people.level)]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found:
        value = "undefined" if one["value"] is None else f"{one['value']:.3f}"
        ends = "" if one["low"] is None else f" [{one['low']:.3f}, {one['high']:.3f}]"
        who = ", ".join(one["annotators"])
        click.echo(f"{one['name'].replace('_', ' ')}: {value}{ends}  ({one['rows']:,} rows; {who})")
    if not found:
        click.echo("no row has labels of two annotators yet")


def _open(project: Path) -> tuple[AnnotateSpec, list[Item], Path]:
    """The settings, the rows that may be labelled (queued ones first), and the base folder."""
    from luthier import config
    from luthier.core.errors import ConfigError
    from luthier.core.progress import Terminal
    from luthier.core.records import Document, Example, read_table
    from luthier.data.annotate.items import items_of

    settings = config.load(project)
    spec = settings.data.annotate
    if spec is None:
        raise ConfigError(
            "this project labels nothing", where=str(project), mend="Add a section `data.annotate`."
        )
    from luthier import pipeline

    made = pipeline.run(settings, project.parent, Terminal(), until="clean").artifacts
    texts = made.get("clean", made["collect"]).path
    items = items_of(
        read_table(texts / "documents.parquet", Document),
        read_table(texts / "rows.parquet", Example),
    )
    first = _queued(settings, project.parent, made)
    return spec, sorted(items, key=lambda item: first.get(item.id, len(first))), project.parent


def _queued(settings: Any, base: Path, made: Any) -> dict[str, int]:
    """Places of the rows that the newest annotate stage of these texts has queued."""
    from luthier import config
    from luthier.core.records import read_table
    from luthier.core.store import Store
    from luthier.data.annotate.query import Queued

    texts = made.get("clean", made["collect"])
    store = Store(config.store_root(settings, base))
    for artifact in reversed(store.all()):
        if artifact.stage == "annotate" and texts.name in {a.name for a in store.lineage(artifact)}:
            queue = read_table(artifact.path / "queue.parquet", Queued)
            return {one.row_id: place for place, one in enumerate(queue)}
    return {}


def _tell(reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        click.echo(f"  {count:,} left out: {reason}", err=True)
