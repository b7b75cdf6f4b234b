"""The report of one run, or of several side by side: one HTML file that needs nothing beside it.

Plots are SVG, numbers stand in tables, and items to look at are plain HTML: all of it can be read
without a script, in print, and by a screen reader. A script of a few lines adds the table of all
items with its filters; nothing is loaded from anywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier import __version__
from luthier.core.errors import DataError, ResourceError
from luthier.core.store import write_atomic
from luthier.evaluate._format import count
from luthier.evaluate.gates import told
from luthier.evaluate.pages import items, lineage, numbers, plots, words
from luthier.evaluate.pages.sides import Together, is_lower, together
from luthier.evaluate.pages.sureness import sureness

if TYPE_CHECKING:
    import jinja2

    from luthier.evaluate.gate import Check, GateResult
    from luthier.evaluate.runs.rows import RunRows

REPORT = "report.html"
"""The page's name in a run's folder."""

_PLAIN = 300  # items in the table for readers without scripts


def write_runs_page(
    runs: Sequence[RunRows],
    path: Path,
    *,
    against: Sequence[RunRows] = (),
    gate: GateResult | None = None,
) -> dict[str, int]:
    """Write the report of runs: each suite with its numbers, its items and its lineage.

    Args:
        runs: One or more, of one or more suites.
        path: The HTML file, written whole or not at all.
        against: Runs to hold them against; without them, others are held against the first run
            of their suite.
        gate: What a gate said of them.

    Returns:
        The file's size in ``bytes``.

    Raises:
        DataError: No runs, or two runs of one suite were not asked the same items.
        ResourceError: jinja2 is not installed.
    """
    if not runs:
        raise DataError("a report needs at least one run")
    environment = _environment()
    sides = [_part(side) for side in together([*against, *runs])]
    here = Path(__file__).parent
    styles = (here / "report.css", here / "pages" / "runs.css")
    page = environment.get_template("runs.html.j2").render(
        title=_title(sides, gate),
        sides=sides,
        gate=_gate(gate) if gate else None,
        version=__version__,
        style=_safe("\n".join(one.read_text(encoding="utf-8") for one in styles)),
        script=_safe((here / "pages" / "runs.js").read_text(encoding="utf-8")),
        marks=[mark._asdict() for mark in plots.MARKS],
    )
    write_atomic(path, page)
    return {"bytes": path.stat().st_size}


def file_name(suite: str) -> str:
    """The name of a page of several runs of a suite."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", suite or "suite")[:100].lstrip(".") + ".html"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    """What fills the template, which is compiled once."""
    try:
        import jinja2
    except ImportError as error:
        raise ResourceError(
            f"the report needs the library '{error.name}'", mend="pip install 'luthier[evaluate]'"
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=words.figure, ends=words.ends, signed=words.signed, apart=words.apart, count=count
    )
    environment.globals.update(is_lower=is_lower, badge=_drawn("badge"), bar=_drawn("bar"))
    return environment


def _part(side: Together) -> dict[str, Any]:
    """All that the page shows of one suite."""
    limit = items.limit_of(side)
    lines, differences = numbers.figures(side), numbers.differences(side)
    sure = sureness(side)
    run = side.first
    asked = [side.main.index(metric) for metric in dict.fromkeys(side.main)]
    return {
        "side": side,
        "headline": words.headline(side, lines, differences),
        "notices": words.notices(side),
        "lines": lines,
        "differences": differences,
        "parts": numbers.parts(side),
        "costs": numbers.costs(side),
        "sure": sure,
        "reliability": _safe(plots.reliability(sure, side.names)),
        "risk": _safe(plots.risk(sure, side.names)),
        "examples": [items.shown(side, place, limit) for place in asked[:3]],
        "kinds": _counts(run.kinds.tolist()),
        "tags": _counts([tag for own in run.tags for tag in own]),
        "metrics": [(metric, 0) for metric in side.metrics],
        "picks": items.picks(side, limit),
        "table": items.table(side, limit),
        "plain": [items.plain(side, place) for place in range(min(_PLAIN, len(run.item_ids)))],
        "clipped": items.is_clipped(side, limit),
        "limit": limit,
        "facts": lineage.facts(side),
        "files": lineage.files(side),
    }


def _title(sides: Sequence[Mapping[str, Any]], gate: GateResult | None) -> str:
    """What the page is about."""
    suites = ", ".join(one["side"].suite or "a suite" for one in sides)
    if gate is not None:
        return f"{suites}: gate {gate.outcome}"
    names = sides[0]["side"].names
    if len(names) == 1:
        return f"{suites}: {names[0]}"
    shown = ", ".join(names[1:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{suites}: {shown} against {names[0]}"


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "outcome": gate.outcome,
        "confidence": gate.confidence,
        "checks": [(check, told.title(check), told.seen(check), *_scale(check))
                   for check in gate.checks],
        "notes": told.notes(gate),
    }  # fmt: skip


def _scale(check: Check) -> tuple[float, float]:
    """The ends of the scale on which a claim's interval and bound are drawn."""
    if check.old is None and check.interval.low >= 0 and check.interval.high <= 1:
        return 0.0, 1.0
    near = [check.interval.mean, check.bound, check.interval.low, check.interval.high]
    known = [x for x in near if abs(x) < float("inf")]
    room = (max(known) - min(known) or 1.0) * 0.2
    return min(known) - room, max(known) + room


def _counts(names: Sequence[str]) -> dict[str, int]:
    """How often each name comes, most often first."""
    return dict(Counter(names).most_common())


def _drawn(name: str) -> Any:
    way = getattr(plots, name)
    return lambda *args, **more: _safe(way(*args, **more))


def _safe(markup: str) -> Any:
    """Markup that was drawn here, with every name in it escaped."""
    import markupsafe

    return markupsafe.Markup(markup)
