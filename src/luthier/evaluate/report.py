"""The report of a run: one HTML file that works offline and needs nothing beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luthier.core.errors import ResourceError
from luthier.core.store import write_atomic
from luthier.evaluate import _figures, _format
from luthier.evaluate.answers import Sample

REPORT_VERSION = 2
Facts = Mapping[str, str]
"""Names and values as they are to be shown, in order."""


@dataclasses.dataclass(frozen=True, slots=True)
class LossPoint:
    """One point of a training run.

    Attributes:
        step: Optimizer step, from 1.
        tokens: Tokens with a loss seen so far.
        train: Mean loss in nats per token since the last point; None if not measured here.
        validation: Loss on the validation side in nats per token; None if not measured here.
    """

    step: int
    tokens: int
    train: float | None = None
    validation: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class DataStep:
    """Rows in and out of one step of data preparation.

    Attributes:
        name: What the step does, such as ``documents`` or ``questions``.
        kept: Rows it passed on.
        refused: Reason to number of rows left out.
        changed: Reason to number of rows that went on otherwise than they came.
    """

    name: str
    kept: int
    refused: Mapping[str, int] = dataclasses.field(default_factory=dict)
    changed: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class LineageRow:
    """One artifact behind the run.

    Attributes:
        stage: Which stage made it.
        name: The artifact's name in the store.
        reused: Whether this run found it finished.
        seconds: It took to make, in this run or the one that made it.
    """

    stage: str
    name: str
    reused: bool
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A command to go on with, and what it does."""

    line: str
    purpose: str


@dataclasses.dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report shows, as plain data. Sections without data are left out.

    Attributes:
        project: Name of the project.
        made_at: When the run ended, as it is to be shown.
        version: Luthier's version.
        comparison: ``comparison.json`` (see ``_tally.tally``); None if nothing was compared.
        losses: The training run, oldest first.
        steps: What data preparation collected, kept and refused, in order.
        split: Side (``train``, ``validation``, ``test``) to kind to number of examples.
        leakage: ``LeakageReport.as_dict()``; None if not checked.
        machine: Facts on the machine.
        model: Facts on the base model.
        plan: Facts on the training plan and its outcome.
        classifier: Facts on the classifier and what it is worth.
        index: Facts on the retrieval index.
        samples: Test questions with every route's answer, from ``answers.samples``.
        lineage: The artifacts of the run.
        commands: How to go on.
    """

    project: str
    made_at: str
    version: str
    comparison: Mapping[str, Any] | None = None
    losses: tuple[LossPoint, ...] = ()
    steps: tuple[DataStep, ...] = ()
    split: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    leakage: Mapping[str, Any] | None = None
    machine: Facts = dataclasses.field(default_factory=dict)
    model: Facts = dataclasses.field(default_factory=dict)
    plan: Facts = dataclasses.field(default_factory=dict)
    classifier: Facts = dataclasses.field(default_factory=dict)
    index: Facts = dataclasses.field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    lineage: tuple[LineageRow, ...] = ()
    commands: tuple[Command, ...] = ()


def render(data: ReportData, path: Path) -> dict[str, int]:
    """Write the report: one file with its style, plots and script inside.

    Args:
        data: What to show. All text is escaped.
        path: The HTML file to write, whole or not at all.

    Returns:
        The file's size in ``bytes``.

    Raises:
        ResourceError: jinja2 or plotly is not installed.
    """
    try:
        import jinja2
        import markupsafe
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ResourceError(
            f"the report needs the library '{error.name}'",
            mend="pip install 'luthier[evaluate]'",
        ) from error
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_format.FILTERS)
    page = environment.get_template("report.html.j2").render(
        data=data,
        comparison=data.comparison,
        colours=_figures.COLOURS,
        figures=_figures_of(data),
        reasons=_reasons(data),
        best=_best(data.comparison) if data.comparison else {},
        notices=_notices(data.comparison) if data.comparison else [],
        style=markupsafe.Markup((here / "report.css").read_text(encoding="utf-8")),
        plotly=markupsafe.Markup(get_plotlyjs()),
    )
    write_atomic(path, page)
    return {"bytes": path.stat().st_size}


def _figures_of(data: ReportData) -> dict[str, dict[str, Any]]:
    figures = {}
    if data.comparison:
        figures["comparison"] = _figures.comparison(data.comparison)
    if data.losses:
        points = [(p.step, p.tokens, p.train, p.validation) for p in data.losses]
        figures["loss"] = _figures.losses(points)
    if data.steps:
        rows = [(s.name, s.kept, sum(s.refused.values())) for s in data.steps]
        figures["kept"] = _figures.kept(rows)
    if data.split:
        figures["split"] = _figures.split(data.split)
    return figures


def _reasons(data: ReportData) -> list[tuple[str, str, str, int, float]]:
    """(step, refused or changed, reason, rows, share of the longest bar)."""
    rows = [
        (step.name, action, reason, count)
        for step in data.steps
        for action, reasons in (("refused", step.refused), ("changed", step.changed))
        for reason, count in reasons.items()
    ]
    longest = max((count for *_, count in rows), default=1)
    return [(*row, row[3] / longest) for row in rows]


def _best(comparison: Mapping[str, Any]) -> dict[str, float | None]:
    """The best figure of each column of the quality table; None for an empty column."""
    routes = list(comparison["routes"].values())
    columns = {f"token_f1 {scope}": ("token_f1", scope) for scope in comparison["scopes"]}
    for name in ("exact_match", "json_match", "faithfulness", "source_found"):
        columns[name] = (name, "overall")
    best: dict[str, float | None] = {}
    for column, (name, scope) in columns.items():
        cells = [route[name][scope] for route in routes]
        best[column] = max((cell["mean"] for cell in cells if cell), default=None)
    perplexities = [route["perplexity"]["overall"] for route in routes]
    best["perplexity"] = min((p for p in perplexities if p is not None), default=None)
    return best


def _notices(comparison: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers must know and could overlook."""
    notices = []
    for name, route in comparison["routes"].items():
        finish, items = route["finish"], comparison["items"]
        if finish["context"]:
            notices.append(
                f"{name}: {finish['context']} of {items} prompts did not fit the model's "
                "context; they count as answered wrongly."
            )
        if finish["length"]:
            notices.append(
                f"{name}: {finish['length']} of {items} answers were cut off at "
                f"{comparison['max_new_tokens']} tokens."
            )
        if route["batch_differs"]:
            notices.append(
                f"{name}: {route['batch_differs']} of {route['latency_n']} questions asked alone "
                "were answered otherwise than in a batch (rounding in larger products)."
            )
        if 0 < route["scored"] < items:
            notices.append(
                f"{name}: perplexity covers {route['scored']} of {items} references; the others "
                "do not fit the context."
            )
    return notices
