"""What a search found, as a page: every trial, what mattered, the best, and its gain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from luthier.evaluate._figures import FONT, INK, KEPT, MUTED, REFUSED, RULE, TRAIN
from luthier.evaluate.page import Page, Section, write_page

PAGE = "search.html"
STATES = {"complete": KEPT, "pruned": TRAIN, "fail": REFUSED}
SAID = {
    "complete": "to the end",
    "pruned": "ended early",
    "fail": "failed",
    "killed": "killed and made again",
}


def write_search_page(folder: Path, results: str, settings: str) -> Path:
    """Write the page of a search beside its results.

    Args:
        folder: Of the search.
        results: Name of its JSON file.
        settings: Name of the file with the best settings.

    Returns:
        The page's path.
    """
    found = json.loads((folder / results).read_text(encoding="utf-8"))
    best = (folder / settings).read_text(encoding="utf-8")
    write_page(search_page(found, best), folder / PAGE)
    return folder / PAGE


def search_page(found: Mapping[str, Any], best: str) -> Page:
    """The page's content.

    Args:
        found: See ``tune.search``.
        best: The best settings as YAML.
    """
    metric, trials = found["metric"], found["trials"]
    counts = ", ".join(f"{n} {SAID.get(state, state)}" for state, n in found["states"].items())
    sections = [
        Section("Trials", _history(trials, metric, found["direction"]), text=[_legend()]),
        Section("How the trials ran", _curves(trials, metric)),
        *(
            Section(f"{name}", _setting(trials, name, metric))
            for name in sorted(found["best"]["settings"])
        ),
    ]
    if found["importance"]:
        note = (
            "Share of what separates the better trials from all others (PED-ANOVA, Watanabe et al. "
            "2023). With few trials this is a hint, not a measurement."
        )
        sections.append(Section("What mattered", _importance(found["importance"]), text=[note]))
    sections.append(_confirmed(found))
    sections.append(Section("All trials", header=_header(found), rows=_rows(found)))
    sections.append(Section("The best settings", code=best))
    how = f"sampler {found['sampler']}, judged by the {metric} of the validation rows"
    intro = f"{len(trials)} trials ({counts}), {how}"
    return Page("Search", intro, headline(found), sections)


def headline(found: Mapping[str, Any]) -> list[str]:
    """What was found, in words that claim no more than was measured."""
    best, said = found["best"], found["confirmed"]["verdict"]
    named = ", ".join(f"{name} {_short(value)}" for name, value in best["settings"].items())
    gain, seeds = found["confirmed"]["gain"], len(found["confirmed"]["seeds"])
    first = f"Best of the search: {named} ({found['metric']} {best['value']:.4g})."
    if said == "not confirmed":
        return [first, "Whether that is luck was not measured: search.confirm has too few seeds."]
    if said in ("default fails", "best fails"):
        return [first, _failed(found["confirmed"])]
    interval = f"{gain['mean']:+.4g} [{gain['low']:+.4g}, {gain['high']:+.4g}]"
    words = {
        "better": f"It gains {interval} over the project file's settings, on {seeds} other seeds.",
        "worse": f"On {seeds} other seeds it is worse than the project file's: {interval}.",
        "cannot tell apart": f"On {seeds} other seeds it cannot be told apart from the project "
        f"file's settings ({interval}): those are kept.",
    }
    return [first, words[said]]


def _failed(told: Mapping[str, Any]) -> str:
    """How often runs with both settings failed on other seeds, why, and what is taken."""
    seeds, failed = len(told["seeds"]), told["failed"]
    why = next(p for p in (told["problem"]["default"], told["problem"]["best"]) if p)
    taken = "the best is taken" if told["verdict"] == "default fails" else "the file's are kept"
    return (
        f"Runs that failed on {seeds} other seeds: {failed['default']} with the project file's "
        f"settings, {failed['best']} with the best of the search ({why}); {taken}."
    )


def _history(trials: Sequence[Mapping[str, Any]], metric: str, direction: str) -> dict[str, Any]:
    """Each trial's value, and the best so far."""
    shown = [(t["number"], _value(t), t["state"]) for t in trials if _value(t) is not None]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": SAID.get(state, state),
            "x": [n for n, _, s in shown if s == state],
            "y": [v for _, v, s in shown if s == state],
            "marker": {"size": 9, "color": colour},
        }
        for state, colour in STATES.items()
        if any(s == state for *_, s in shown)
    ]
    choose = min if direction == "minimize" else max
    best: list[float] = []
    numbers = []
    for number, value, state in shown:
        if state == "complete" and value is not None:
            best.append(choose([*best[-1:], value]))
            numbers.append(number)
    line = {"color": INK, "width": 1.5, "shape": "hv"}
    traces.append(
        {"type": "scatter", "mode": "lines", "name": "best so far", "x": numbers, "y": best,
         "line": line}
    )  # fmt: skip
    return {"data": traces, "layout": _layout("trial", metric)}


def _curves(trials: Sequence[Mapping[str, Any]], metric: str) -> dict[str, Any]:
    """The metric of each trial over its steps."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "marker": {"size": 4},
            "name": f"trial {trial['number']}",
            "x": [step for step, _ in trial["curve"]],
            "y": [value for _, value in trial["curve"]],
            "line": {"color": STATES.get(trial["state"], MUTED), "width": 1.6},
            "showlegend": False,
        }
        for trial in trials
        if trial["curve"]
    ]
    return {"data": traces, "layout": _layout("step", f"{metric}, validation rows")}


def _setting(trials: Sequence[Mapping[str, Any]], name: str, metric: str) -> dict[str, Any]:
    """The metric against one setting."""
    shown = [t for t in trials if t["state"] == "complete"]
    values = [t["settings"][name] for t in shown]
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    layout = _layout(name, metric)
    wide = len(numbers) == len(values) and min(numbers, default=0) > 0
    if wide and max(numbers) > 30 * min(numbers):
        layout["xaxis"] |= {"type": "log", "tickformat": "~g"}
    elif len(numbers) < len(values):
        layout["xaxis"]["type"] = "category"
        values = [str(v) for v in values]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": [t["value"] for t in shown],
        "marker": {"size": 9, "color": KEPT},
    }
    return {"data": [trace], "layout": layout}


def _importance(found: Mapping[str, float]) -> dict[str, Any]:
    names = sorted(found, key=found.__getitem__)
    layout = _layout("importance", "")
    layout["height"] = 110 + 34 * len(names)
    layout["margin"]["l"] = 140
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [found[n] for n in names],
        "y": names,
        "marker": {"color": KEPT},
    }
    return {"data": [bars], "layout": layout}


def _confirmed(found: Mapping[str, Any]) -> Section:
    """Both settings on other seeds, pair by pair."""
    told = found["confirmed"]
    values = told["values"]
    rows = [
        (str(seed), *("failed" if v is None else f"{v:.4g}" for v in (default, best)))
        for seed, default, best in zip(
            told["seeds"], values["default"], values["best"], strict=True
        )
    ]
    note = "Paired by seed; the interval is Student's, 95 %. No seed of the search is among them."
    header = ("seed", "project file", "best of the search")
    return Section("On other seeds", header=header, rows=rows, text=[note]) if rows else Section(
        "On other seeds", text=["Nothing was run again (search.confirm: 0)."]
    )  # fmt: skip


def _header(found: Mapping[str, Any]) -> list[str]:
    return ["trial", found["metric"], "state", *found["best"]["settings"], "seconds"]


def _rows(found: Mapping[str, Any]) -> list[list[str]]:
    def order(trial: Mapping[str, Any]) -> tuple[bool, float]:
        value = trial["value"]
        sign = 1 if found["direction"] == "minimize" else -1
        return value is None, sign * value if value is not None else trial["number"]

    return [
        [
            str(trial["number"]),
            "–" if trial["value"] is None else f"{trial['value']:.4g}",
            trial["problem"] or SAID.get(trial["state"], trial["state"]),
            *(_short(trial["settings"].get(name)) for name in found["best"]["settings"]),
            "–" if trial["seconds"] is None else f"{trial['seconds']:.1f}",
        ]
        for trial in sorted(found["trials"], key=order)
    ]


def _value(trial: Mapping[str, Any]) -> float | None:
    """A trial's value, or the last one before it ended early."""
    if trial["value"] is not None:
        return float(trial["value"])
    return float(trial["curve"][-1][1]) if trial["curve"] else None


def _legend() -> str:
    return "A trial that ended early stands where it was when it ended."


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _layout(x: str, y: str) -> dict[str, Any]:
    axis = {
        "gridcolor": RULE,
        "linecolor": RULE,
        "zeroline": False,
        "automargin": True,
        "exponentformat": "e",
    }
    small = {"size": 12.5, "color": MUTED}
    return {
        "height": 320,
        "margin": {"l": 70, "r": 12, "t": 30, "b": 52},
        "font": FONT,
        "xaxis": {**axis, "title": {"text": x, "font": small}},
        "yaxis": {**axis, "title": {"text": y, "font": small}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
    }
