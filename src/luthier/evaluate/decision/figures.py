"""The decision's plots, as the plain data that plotly.js draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from luthier.evaluate._figures import (
    COLOURS,
    INK,
    KEPT,
    MUTED,
    RULE,
    Figure,
    _axis as axis,
    _escape as escape,
    _layout as layout_of,
    _title as title,
)
from luthier.evaluate.decision.words import METRICS

_REASONS = {
    "not in the corpus": "#b9a0cf", "not retrieved": "#1f78b4", "not read": "#7fb2d8",
    "not known": "#9db4c8", "badly formed": "#a6761d", "refused": "#d1603d",
}  # fmt: skip


_PLOT_PX, _LINE_PX = 340, 16
_LABEL_SHARE = 0.3
"""Of the plot's width, that a name takes."""


def colour_of(told: Mapping[str, Any], name: str) -> str:
    """A route's colour; those of an endpoint are ink."""
    one = told["routes"][name]
    return INK if one["effort"]["remote"] else COLOURS.get(one["route"], INK)


def front(told: Mapping[str, Any], key: str) -> Figure:
    """Quality against what a month costs (``cost``), or against latency (``latency``).

    Routes that no other beats in both are joined by a line.
    """
    routes = told["routes"]

    def across(name: str) -> float:
        one = routes[name]
        value = one["cost"]["per_month"] if key == "cost" else one["latency_p50_s"]
        return float(value or 0.0)

    lowest = min((across(n) for n in routes if across(n) > 0), default=1.0)
    place = {name: max(across(name), lowest / 3) for name in routes}  # 0 has no logarithm
    layout = layout_of(height=_PLOT_PX + 86, left=64)
    layout["margin"]["r"] = 190  # names stand beside their points
    unit = f"{told['currency']} a month" if key == "cost" else "seconds, half of the answers"
    layout["xaxis"] = axis(title=title(f"{unit} (logarithmic)"), type="log", nticks=8)
    layout["yaxis"] = axis(title=title(METRICS[told["metric"]]), rangemode="tozero")
    layout["showlegend"] = False
    on = sorted((n for n in routes if routes[n][f"front_{key}"]), key=lambda n: place[n])
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [place[n] for n in on],
            "y": [routes[n]["mean"]["mean"] for n in on],
            "line": {"color": RULE, "width": 6, "shape": "hv"},
            "hoverinfo": "skip",
        }
    ]
    taken = told["advice"]["pick"]
    traces += [_point(told, name, place[name], taken=name == taken) for name in routes]
    layout["annotations"] = _labels(told, place)
    return {"data": traces, "layout": layout}


def _point(told: Mapping[str, Any], name: str, x: float, *, taken: bool) -> dict[str, Any]:
    mean, colour = told["routes"][name]["mean"], colour_of(told, name)
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [mean["mean"]],
        "marker": {
            "size": 16 if taken else 10,
            "color": colour,
            "line": {"color": INK, "width": 2.5 if taken else 0},
        },
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [mean["high"] - mean["mean"]],
            "arrayminus": [mean["mean"] - mean["low"]],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "hovertemplate": f"{escape(name)}<br>{mean['mean']:.3f} [{mean['low']:.3f}, "
        f"{mean['high']:.3f}]<br>%{{x:.4g}}<extra></extra>",
    }


def _labels(told: Mapping[str, Any], place: Mapping[str, float]) -> list[dict[str, Any]]:
    """Names to the right of their points, moved where they would lie on each other."""
    routes, taken = told["routes"], told["advice"]["pick"]
    top = max(one["mean"]["high"] for one in routes.values()) or 1.0
    across = {name: math.log10(x) for name, x in place.items()}
    width = max(across.values()) - min(across.values()) or 1.0
    written: list[tuple[float, float]] = []  # where a name stands: its place across, pixels down
    made = []
    for name in told["ranking"]:
        own = down = (1 - routes[name]["mean"]["mean"] / top) * _PLOT_PX
        near = [y for x, y in written if abs(x - across[name]) < width * _LABEL_SHARE]
        for step in range(3 * len(routes)):  # down, and up again from the bottom
            down = own + step * _LINE_PX / 3
            if down > _PLOT_PX - _LINE_PX / 2:
                down = min(own, _PLOT_PX - _LINE_PX / 2) - step * _LINE_PX / 3
            if all(abs(down - y) >= _LINE_PX for y in near):
                break
        written.append((across[name], down))
        made.append(
            {
                "x": across[name],
                "y": routes[name]["mean"]["mean"],
                "text": f"<b>{escape(name)}</b>" if name == taken else escape(name),
                "xanchor": "left",
                "ax": 14,
                "ay": down - own,
                "showarrow": True,
                "arrowhead": 0,
                "arrowwidth": 0.8,
                "arrowcolor": MUTED,
                "font": {"color": colour_of(told, name), "size": 12.5},
            }
        )
    return made


def wrong(told: Mapping[str, Any]) -> Figure:
    """Why each route's answers are wrong: a bar for each route."""
    names = told["ranking"]
    layout = layout_of(height=120 + 34 * len(names), left=190)
    layout["barmode"], layout["bargap"] = "stack", 0.36
    layout["xaxis"] = axis(title=title("wrong answers"), tickformat=",d", range=[0, told["items"]])
    layout["yaxis"] = axis(autorange="reversed", showgrid=False, ticklabelstandoff=6)
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    traces = []
    for reason, colour in _REASONS.items():
        values = [told["routes"][n]["diagnosis"].get(reason, {"items": 0})["items"] for n in names]
        if any(values):
            traces.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": reason,
                    "y": [escape(name) for name in names],
                    "x": values,
                    "marker": {"color": colour},
                    "hovertemplate": f"%{{y}}: %{{x:,}} {reason}<extra></extra>",
                }
            )
    return {"data": traces, "layout": layout}


def curve(told: Mapping[str, Any]) -> Figure:
    """The learning curve of the best tuned route."""
    points = told["curve"]["points"]
    layout = layout_of(height=320, left=64)
    layout["xaxis"] = axis(title=title("training rows"), rangemode="tozero", tickformat=",d")
    layout["yaxis"] = axis(title=title(METRICS[told["metric"]]), rangemode="tozero")
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [p["rows"] for p in points],
        "y": [p["mean"] for p in points],
        "line": {"color": KEPT, "width": 2.4},
        "marker": {"size": 9, "color": KEPT},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [p["high"] - p["mean"] for p in points],
            "arrayminus": [p["mean"] - p["low"] for p in points],
            "color": MUTED,
            "thickness": 1.5,
            "width": 5,
        },
        "hovertemplate": "%{y:.3f} with %{x:,} rows<extra></extra>",
    }
    return {"data": [trace], "layout": layout}
