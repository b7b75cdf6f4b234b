"""The readiness page: one HTML file that works offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from luthier.core.store import write_atomic
from luthier.data.readiness.lights import Light

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.05rem; margin: 0 }
.counts, .mend, td small { color: var(--dim) } .counts { margin-top: .2rem }
section { border-top: 1px solid var(--line); padding: .8rem 0 .8rem 2rem; position: relative }
section > i { position: absolute; left: .2rem; top: 1.1rem; width: 1rem; height: 1rem;
  border-radius: 50%; background: #9ca3af }
.green > i { background: #16a34a } .yellow > i { background: #eab308 }
.red > i { background: #dc2626 } p { margin: .2rem 0 }
.tally { display: flex; gap: 1.2rem; margin: 1rem 0; font-weight: 600 }
.tally span::before { content: "\\25CF  "; } .tally .green { color: #16a34a }
.tally .yellow { color: #ca8a04 } .tally .red { color: #dc2626 } .tally .grey { color: #9ca3af }
table { border-collapse: collapse; margin-top: .5rem; font-size: .85rem }
td, th { padding: .1rem .8rem .1rem 0; text-align: left; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums } details { margin-top: .3rem }
.bar { background: #3b82f6; height: .7rem; min-width: 1px; display: inline-block }
svg { max-width: 100% } svg rect { fill: #3b82f6 } svg text { fill: currentColor; font-size: 11px }
svg line { stroke: #dc2626; stroke-width: 1.5 }
"""
_MOST_ROWS = 20


def write_page(
    path: Path, lights: Sequence[Light], counts: Mapping[str, int], name: str = ""
) -> None:
    """Write the page.

    Args:
        path: Where.
        lights: What was judged, in order.
        counts: Documents and rows by side.
        name: Of the project.
    """
    title = escape(f"{name}: data readiness" if name else "Data readiness")
    said = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    tally = "".join(
        f'<span class="{colour}">{sum(one.colour == colour for one in lights)} {colour}</span>'
        for colour in ("red", "yellow", "green", "grey")
    )
    body = "".join(_section(light) for light in lights)
    write_atomic(
        path,
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style>"
        f'<h1>{title}</h1><p class="counts">{escape(said)}</p>'
        f'<div class="tally">{tally}</div>{body}</html>\n',
    )


def _section(light: Light) -> str:
    mend = f'<p class="mend">{_code(light.mend)}</p>' if light.mend else ""
    facts = "".join(_fact(name, value, light.facts) for name, value in light.facts.items())
    return (
        f'<section class="{light.colour}"><i title="{light.colour}"></i>'
        f"<h2>{escape(light.name)}</h2><p>{escape(light.said)}</p>{mend}{facts}</section>"
    )


def _code(text: str) -> str:
    """Text with what stands in backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def _fact(name: str, value: Any, facts: Mapping[str, Any]) -> str:
    """A picture or a table of one fact; single figures stand in the sentence already."""
    if name == "histogram":
        return _histogram(value["counts"], value["edges"], float(facts["limit"]))
    if isinstance(value, Mapping) and value:
        if all(isinstance(v, int | float) for v in value.values()):
            return _details(name, _bars(value))
        return _details(name, _table([{"": k, **_cells(v)} for k, v in value.items()]))
    if isinstance(value, list) and value:
        if name == "attributes":
            return "".join(
                _details(one["attribute"], _table([{"": g, **_cells(f)} for g, f in
                                                   one["groups"].items()]))
                for one in value
            )  # fmt: skip
        return _details(name, _table([_cells(one) for one in value]))
    return ""


def _cells(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"value": value}


def _details(name: str, inner: str) -> str:
    return f"<details><summary>{escape(name.replace('_', ' '))}</summary>{inner}</details>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(c for row in rows for c in row))
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(
        "<tr>" + "".join(_cell(row.get(c, "")) for c in columns) + "</tr>"
        for row in rows[:_MOST_ROWS]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    if value is None:
        value = "-"
    number = isinstance(value, int | float)
    shown = f"{value:,.4g}" if isinstance(value, float) else str(value)
    return f'<td class="n">{shown}</td>' if number else f"<td>{escape(shown)}</td>"


def _bars(counts: Mapping[str, float]) -> str:
    most = max(counts.values()) or 1
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{count:,.6g}</td>'
        f'<td><span class="bar" style="width:{300 * count / most:.0f}px"></span></td></tr>'
        for name, count in list(counts.items())[:_MOST_ROWS]
    )
    more = len(counts) - _MOST_ROWS
    return f"<table>{rows}</table>" + (f"<small>and {more} more</small>" if more > 0 else "")


def _histogram(counts: Sequence[int], edges: Sequence[float], limit: float) -> str:
    """Bars of the numbers of tokens, with a line at the limit where it lies within."""
    width, height, most = 560, 90, max(counts) or 1
    step = width / len(counts)
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{height - height * n / most:.1f}" '
        f'width="{max(step - 1, 1):.1f}" height="{height * n / most:.1f}"/>'
        for i, n in enumerate(counts)
    )
    low, high = edges[0], edges[-1]
    line = ""
    if low < limit < high:
        x = width * (limit - low) / (high - low)
        line = f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height}"/>'
    return (
        f'<svg width="{width}" height="{height + 18}" role="img" aria-label="tokens of the rows">'
        f'{bars}{line}<text x="0" y="{height + 14}">{low:,.0f}</text>'
        f'<text x="{width}" y="{height + 14}" text-anchor="end">{high:,.0f} tokens</text></svg>'
    )
