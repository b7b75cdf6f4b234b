"""The report's plots, as the plain data that plotly.js draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLOURS = {
    "base": "#7b8794",
    "few-shot": "#a6761d",
    "rag": "#1f78b4",
    "fine-tuned": "#7b4fa3",
    "rag+fine-tuned": "#12805c",
    "classifier": "#b03a5b",
}
INK, MUTED, RULE = "#1f2933", "#5f6b78", "#e4e8ec"
KEPT, REFUSED, TRAIN = "#1f78b4", "#d1603d", "#9db4c8"
SHADES = ("#1f78b4", "#7fb2d8", "#12805c", "#86c2a9", "#7b4fa3", "#b9a0cf", "#a6761d", "#d3b987")
FONT = {
    "family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "size": 13,
    "color": INK,
}
METRIC_NAMES = {"token_f1": "token F1", "exact_match": "exact match"}

Figure = dict[str, Any]


def comparison(data: Mapping[str, Any]) -> Figure:
    """The ranking metric of each route with its interval: one panel for each scope."""
    metric, scopes, routes = data["metric"], data["scopes"], list(data["routes"])
    cells = {
        (scope, route): data["routes"][route][metric][scope] for scope in scopes for route in routes
    }
    top = min(1.0, max(cell["high"] for cell in cells.values()))
    layout = _layout(height=104 + 40 * len(routes), left=118)
    layout["margin"]["t"] = 40
    gap = 0.035
    width = (1 - gap * (len(scopes) - 1)) / len(scopes)
    unit = " questions" if len(scopes) <= 3 else ""  # narrow panels have no room for the word
    traces = []
    for number, scope in enumerate(scopes):
        suffix = "" if number == 0 else str(number + 1)
        start = number * (width + gap)
        layout[f"xaxis{suffix}"] = _axis(
            domain=[start, start + width],
            range=[0, top * 1.22 or 1],
            anchor=f"y{suffix}",
            title=_title(METRIC_NAMES.get(metric, metric)),
            nticks=6,
        )
        layout[f"yaxis{suffix}"] = _axis(
            anchor=f"x{suffix}",
            range=[len(routes) - 0.5, -0.5],
            tickvals=list(range(len(routes))),
            ticktext=routes if number == 0 else [""] * len(routes),
            showgrid=False,
            ticklabelstandoff=8,
        )
        traces += _panel(scope, routes, cells, suffix)
        items = data["items"] if scope == "overall" else data["kinds"][scope]
        layout["annotations"].append(
            _note(f"<b>{_escape(_short(scope))}</b>  {items:,}{unit}", start, 1.0, size=14)
        )
    return {"data": traces, "layout": layout}


def _panel(
    scope: str, routes: Sequence[str], cells: Mapping[tuple[str, str], Any], suffix: str
) -> list[dict[str, Any]]:
    traces = []
    for place, route in enumerate(routes):
        cell = cells[scope, route]
        colour = COLOURS.get(route, INK)
        hover = (
            f"{_escape(route)}, {_escape(scope)}<br>{cell['mean']:.3f} "
            f"[{cell['low']:.3f}, {cell['high']:.3f}]<br>{cell['n']:,} questions"
        )
        both = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showlegend": False}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [cell["mean"]],
                "y": [place],
                "marker": {"size": 11, "color": colour},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [cell["high"] - cell["mean"]],
                    "arrayminus": [cell["mean"] - cell["low"]],
                    "color": colour,
                    "thickness": 2.5,
                    "width": 5,
                },
                "hovertemplate": f"{hover}<extra></extra>",
                **both,
            }
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": [cell["high"]],
                "y": [place],
                "text": [f"  {cell['mean']:.2f}"],
                "textposition": "middle right",
                "textfont": {"color": colour, "size": 13},
                "hoverinfo": "skip",
                "cliponaxis": False,
                **both,
            }
        )
    return traces


def losses(points: Sequence[tuple[int, int, float | None, float | None]]) -> Figure:
    """Training and validation loss over steps.

    Args:
        points: (step, tokens, training loss or None, validation loss or None).
    """
    layout = _layout(height=340, left=64)
    layout["xaxis"] = _axis(title=_title("step"), rangemode="tozero", showgrid=False)
    layout["yaxis"] = _axis(title=_title("loss, nats per token"), nticks=7)
    layout["legend"] = {
        "orientation": "h",
        "x": 1,
        "xanchor": "right",
        "y": 1.02,
        "yanchor": "bottom",
    }
    layout["hovermode"] = "x unified"
    traces = []
    for name, place, style in (
        ("training", 2, {"mode": "lines", "line": {"color": TRAIN, "width": 1.8}}),
        (
            "validation",
            3,
            {
                "mode": "lines+markers",
                "line": {"color": KEPT, "width": 2.4},
                "marker": {"size": 7, "color": KEPT},
            },
        ),
    ):
        shown = [p for p in points if p[place] is not None]
        if not shown:
            continue
        traces.append(
            {
                "type": "scatter",
                "name": name,
                "x": [p[0] for p in shown],
                "y": [p[place] for p in shown],
                "customdata": [p[1] for p in shown],
                "hovertemplate": "%{y:.3f} after %{customdata:,} tokens",
                **style,
            }
        )
    best = min((p for p in points if p[3] is not None), key=lambda p: p[3] or 0.0, default=None)
    if best is not None:
        layout["annotations"].append(
            {
                "x": best[0],
                "y": best[3],
                "text": f"best {best[3]:.3f}",
                "showarrow": True,
                "arrowhead": 0,
                "arrowcolor": MUTED,
                "ax": 0,
                "ay": -34,
                "font": {"size": 12, "color": INK},
            }
        )
    return {"data": traces, "layout": layout}


def kept(steps: Sequence[tuple[str, int, int]]) -> Figure:
    """Rows kept and refused at each step.

    Args:
        steps: (name, kept, refused).
    """
    names = [name for name, _, _ in steps]
    widest = max((k + r for _, k, r in steps), default=0)
    layout = _bars(names, widest)
    traces = [
        _bar("kept", KEPT, names, [k for _, k, _ in steps], widest),
        _bar("refused", REFUSED, names, [r for _, _, r in steps], widest),
    ]
    return {"data": traces, "layout": layout}


def split(sides: Mapping[str, Mapping[str, int]]) -> Figure:
    """Examples on each side of the split, by kind."""
    names = [f"{side}  {sum(counts.values()):,}" for side, counts in sides.items()]
    widest = max((sum(counts.values()) for counts in sides.values()), default=0)
    kinds = sorted({kind for counts in sides.values() for kind in counts})
    traces = [
        _bar(
            kind,
            SHADES[i % len(SHADES)],
            names,
            [counts.get(kind, 0) for counts in sides.values()],
            widest,
        )
        for i, kind in enumerate(kinds)
    ]
    return {"data": traces, "layout": _bars(names, widest)}


def _bars(names: Sequence[str], widest: int) -> dict[str, Any]:
    layout = _layout(height=110 + 38 * len(names), left=92)
    layout["barmode"] = "stack"
    layout["bargap"] = 0.38
    layout["xaxis"] = _axis(
        tickformat=",d", nticks=5, range=[0, 1.04 * widest or 1], title=_title("rows")
    )
    layout["yaxis"] = _axis(autorange="reversed", showgrid=False, ticklabelstandoff=6)
    layout["legend"] = {
        "orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal",
    }  # fmt: skip
    return layout


def _bar(
    name: str, colour: str, places: Sequence[str], values: Sequence[int], widest: int
) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": _escape(name),
        "y": [_escape(place) for place in places],
        "x": list(values),
        "marker": {"color": colour},
        "text": [f"{v:,}" if v and v >= 0.13 * widest else "" for v in values],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "constraintext": "none",
        "insidetextfont": {"size": 12.5},
        "hovertemplate": f"%{{y}}: %{{x:,}} {_escape(name)}<extra></extra>",
    }


def _layout(*, height: int, left: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": left, "r": 12, "t": 34, "b": 52},
        "font": FONT,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "annotations": [],
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": RULE, "font": FONT},
        "dragmode": False,
    }


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 12.5, "color": MUTED}}


def _axis(**other: Any) -> dict[str, Any]:
    return {
        "gridcolor": RULE,
        "linecolor": RULE,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
        **other,
    }


def _note(text: str, x: float, y: float, *, size: int) -> dict[str, Any]:
    return {
        "text": text, "x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left",
        "yanchor": "bottom", "yshift": 8, "showarrow": False, "font": {"size": size, "color": INK},
    }  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= 16 else f"{text[:15]}…"


def _escape(text: str) -> str:
    """plotly.js reads a subset of HTML in labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
