"""The page of the ladder: bits per byte against size and training time, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from luthier.evaluate._figures import FONT, RULE
from luthier.evaluate.page import Page, Section

_COLOURS = {
    "ngram": "#7b8794",
    "bengio": "#a6761d",
    "bert": "#b03a5b",
    "gpt2": "#1f78b4",
    "llama": "#12805c",
}
_AXES = {
    "parameters": ("numbers stored (log scale)", "~s"),
    "train_s": ("seconds of training (log scale)", "~g"),
}


def figure(rungs: Sequence[Mapping[str, Any]], across: str) -> dict[str, Any]:
    """What plotly.js draws: a point with its interval for each rung.

    Args:
        rungs: See ``ladder.climb``.
        across: ``parameters`` or ``train_s``.
    """
    traces = []
    for rung in rungs:
        bits = rung["bits_per_byte"]
        whiskers = {"type": "data", "symmetric": False, "visible": bits["low"] is not None}
        if bits["low"] is not None:
            whiskers["array"] = [bits["high"] - bits["mean"]]
            whiskers["arrayminus"] = [bits["mean"] - bits["low"]]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": rung["kind"] + ("*" if rung["pseudo"] else ""),
                "x": [max(rung[across], 1e-3)],
                "y": [bits["mean"]],
                "error_y": whiskers,
                "marker": {
                    "size": 11,
                    "color": _COLOURS[rung["name"]],
                    "symbol": "circle-open" if rung["pseudo"] else "circle",
                },
                "hovertemplate": "%{fullData.name}: %{y:.3f} bits per byte<extra></extra>",
            }
        )
    title, form = _AXES[across]
    axis = {"gridcolor": RULE, "zeroline": False, "automargin": True}
    layout = {
        "height": 380,
        "font": FONT,
        "margin": {"l": 60, "r": 30, "t": 40, "b": 55},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {
            **axis,
            "type": "log",
            "dtick": "D2",  # 1, 2, 5, 10
            "tickformat": form,
            "title": {"text": title},
        },
        "yaxis": {**axis, "title": {"text": "bits per byte (less is better)"}},
    }
    return {"data": traces, "layout": layout}


def ladder_page(
    found: Mapping[str, Any],
    headline: str,
    table: tuple[Sequence[str], Sequence[Sequence[str]]],
    notes: Sequence[str],
) -> Page:
    """The page of a ladder.

    Args:
        found: From ``ladder.climb``.
        headline: What was found, in a sentence.
        table: Names of the columns, and the rungs as text.
        notes: What must be known to read it.
    """
    said = (
        f"{found['texts']['bytes']:,} bytes scored; {found['tokens']:,} tokens read in training, "
        f"{found['passes']:.1f} passes over {found['learned']['texts']:,} texts"
    )
    header, rows = table
    sections = (
        Section("By size", figure(found["rungs"], "parameters")),
        Section("By time", figure(found["rungs"], "train_s")),
        Section("All rungs", header=header, rows=rows, text=notes),
    )
    return Page("The ladder of language models", said, (headline,), sections)
