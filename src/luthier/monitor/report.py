"""The monitoring report as a screen of text and as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from luthier.core.errors import ResourceError
from luthier.core.store import write_atomic
from luthier.monitor.watch import MonitorReport


def facts(report: MonitorReport) -> list[tuple[str, str]]:
    """What both forms show first: names and values in a reader's words."""
    share = report.cited_share
    rows = [
        ("answers", f"{report.answers}"),
        ("median time", _seconds(report.latency_p50_s)),
        ("95 % are faster than", _seconds(report.latency_p95_s)),
        ("median time to the first text", _seconds(report.first_token_p50_s)),
        ("tokens read", f"{report.prompt_tokens:,}"),
        ("tokens written", f"{report.completion_tokens:,}"),
        ("refused, too long", f"{report.refused}"),
        ("without text", f"{report.empty}"),
        ("cut at the token limit", f"{report.truncated}"),
        ("left by the client", f"{report.abandoned}"),
        ("failed", f"{report.failed}"),
    ]
    if share is not None:
        of = f"{share:.0%} of the {report.retrieved} that read passages"
        rows.append(("with a verified citation", of))
    if len(report.bundles) > 1:
        by = ", ".join(f"{name[:12]}: {count}" for name, count in report.bundles.items())
        rows.append(("by bundle", by))
    return rows


def render(report: MonitorReport) -> RenderableType:
    """The report for a terminal."""
    since, until = report.since[:10], report.until[:10]
    table = Table.grid(padding=(0, 2))
    for name, value in facts(report):
        table.add_row(name, Text(value))
    most = max((day.answers for day in report.days), default=0)
    days = Table.grid(padding=(0, 2))
    for day in report.days:
        bar = "█" * round(30 * day.answers / most) if most else ""
        days.add_row(day.date, f"{day.answers:>6}", bar)
    heading = Text(f"{since} to {until}", "bold")
    return Group(heading, table, Text(), days, Text(), _drift(report))


def write_html(report: MonitorReport, path: Path) -> None:
    """Write the report as one HTML file that needs nothing beside it.

    Raises:
        ResourceError: The file cannot be written, or jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ResourceError(
            "the page needs jinja2", mend="Install it with `pip install luthier[evaluate]`."
        ) from error
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("report.html.j2")
    most = max((day.answers for day in report.days), default=0) or 1
    text = page.render(report=report, facts=facts(report), most=most)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except OSError as error:
        raise ResourceError(f"cannot write: {error.strerror}", where=str(path)) from error


def _drift(report: MonitorReport) -> RenderableType:
    drift = report.drift
    verdict = Text(f"drift: {drift.words}", "bold red" if drift.outcome == "drift" else "bold")
    table = Table("feature", "test", "evaluation", "window", "distance", "p", "alarm")
    for test in drift.tests:
        table.add_row(
            test.feature,
            test.test,
            _number(test.reference_mean),
            _number(test.mean),
            _number(test.statistic),
            _number(test.p_value),
            "yes" if test.alarm else "",
        )
    notes = [Text(f"not tested: {line}") for line in drift.left_out]
    return Group(verdict, *([table] if drift.tests else []), *notes)


def _number(value: float | None) -> str:
    """Three digits, or nothing."""
    return "" if value is None else f"{value:.3g}"


def _seconds(value: float | None) -> str:
    return "none yet" if value is None else f"{value:.2f} s"
