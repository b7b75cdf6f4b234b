"""``luthier data tasks``: rows go out to the people who label, and their labels come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from luthier.data.annotate.annotate import AnnotateSpec
    from luthier.data.annotate.items import Item
    from luthier.data.annotate.labels import Label
    from luthier.data.annotate.tasks import Format

FORMATS = ("xlsx", "csv", "label-studio", "prodigy")
MOST_LINES = 10  # of a ledger, on the screen


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
    from luthier.data.annotate.tasks import export_tasks, open_tasks

    spec, items, base = _open(project)
    labels = _labels(spec, base)
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
@click.option("--annotator", default="", help="Whose labels these are, whatever the file says.")
@click.option("--new-annotator", "new", multiple=True, metavar="NAME",
              help="Somebody else whose labels are taken; may be given again.")  # fmt: skip
def import_(files: tuple[Path, ...], project: Path, annotator: str, new: tuple[str, ...]) -> None:
    """Take filled FILES back, however much of them is filled in.

    Labels are taken of those whom `data.annotate.people` names as annotators or adjudicator. What
    cannot be used is told here and in `ledger.parquet` beside the labels.
    """
    from luthier.core.errors import ConfigError
    from luthier.core.ledger import Ledger
    from luthier.data.annotate.annotate import scheme_of
    from luthier.data.annotate.labels import note_import, save_labels
    from luthier.data.annotate.tasks import import_tasks

    spec, items, base = _open(project)
    people = {*spec.people.annotators, spec.people.adjudicator, *new}
    if annotator and annotator not in people:
        raise ConfigError(
            f"no annotator is called {annotator!r}",
            where="--annotator",
            mend=f"Known are: {', '.join(sorted(people))}; or give --new-annotator {annotator}.",
        )
    ledger = Ledger()
    labels = base / spec.people.labels
    for path in files:
        found = import_tasks(
            path, items, scheme_of(spec, base), ledger, annotator=annotator, annotators=people
        )
        new_ones = save_labels(labels, found.labels)
        refused = found.rows - len(found.labels) - found.open
        told = f", {refused:,} refused" if refused else ""
        click.echo(
            f"{path}: {found.rows:,} rows, {new_ones:,} new labels, {found.open:,} still open{told}"
        )
    if ledger.entries:
        for entry in ledger.entries[:MOST_LINES]:
            click.echo(
                f"  {entry.action}: {entry.origin}: {entry.reason} ({entry.detail})", err=True
            )
        more = len(ledger.entries) - MOST_LINES
        told = f"{more:,} more; all of them" if more > 0 else "kept"
        click.echo(f"  {told} in {note_import(labels, ledger.entries)}", err=True)
    if "unknown annotator" in ledger.reasons():
        click.echo(
            f"  known annotators: {', '.join(sorted(people))}; if a file calls one of them "
            "otherwise, give --annotator; if there is another, --new-annotator",
            err=True,
        )
    _tell_alike(_labels(spec, base, quiet=True), spec)


@tasks.command("agreement")
@click.argument("project", default="luthier.yaml", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def agreement(project: Path, as_json: bool) -> None:
    """How far annotators agree: Krippendorff's alpha, Fleiss' and Cohen's kappa with intervals."""
    from rich.console import Console
    from rich.table import Table

    from luthier.data.annotate.agreement import agreement as measure, table
    from luthier.data.annotate.labels import votes_of

    spec, _, base = _open(project)
    labels = _labels(spec, base, quiet=as_json)
    votes = votes_of(labels, without=spec.people.adjudicator)
    found = measure(votes, spec.labels, level=spec.people.level)
    if as_json:
        told = [one.plain() for one in found]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("no row has labels of two annotators yet")
        return
    grid = Table(box=None, padding=(0, 3, 0, 0))
    grid.add_column("measure")
    for name in ("value", "95 % interval", "items"):
        grid.add_column(name, justify="right")
    for name, one in table(found).items():
        value = "undefined" if one["value"] is None else f"{one['value']:.3f}"
        ends = "-" if one["low"] is None else f"{one['low']:.3f} to {one['high']:.3f}"
        grid.add_row(name, value, ends, f"{one['items']:,}")
    Console(highlight=False).print(grid)
    _tell_alike(labels, spec)


def _labels(spec: AnnotateSpec, base: Path, *, quiet: bool = False) -> list[Label]:
    """Saved labels; those that the scheme no longer has are set aside, and told."""
    from luthier.data.annotate.labels import in_scheme, read_labels

    labels, aside = in_scheme(read_labels(base / spec.people.labels), spec.labels)
    if aside and not quiet:
        names = ", ".join(sorted({one.label for one in aside}))
        click.echo(
            f"  {len(aside):,} labels are no longer in the scheme and are set aside: {names}",
            err=True,
        )
    return labels


def _tell_alike(labels: list[Label], spec: AnnotateSpec) -> None:
    """Say which annotators may be one person."""
    from luthier.data.annotate.agreement import alike
    from luthier.data.annotate.labels import votes_of

    for one, other, rows in alike(votes_of(labels, without=spec.people.adjudicator)):
        click.echo(
            f"  {one} and {other} said the same of all {rows:,} rows that both labelled: are they "
            "one person under two names? Then agreement says nothing.",
            err=True,
        )


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
