"""The plots show the numbers they are given."""

from __future__ import annotations

import itertools
from typing import Any

from luthier.evaluate import _figures

CELL = {"mean": 0.5, "low": 0.4, "high": 0.7, "n": 10}
SCOPES = ["overall", "fact", "form"]


def _comparison() -> dict[str, Any]:
    routes = {route: {"token_f1": dict.fromkeys(SCOPES, CELL)} for route in ("base", "rag")}
    return {
        "metric": "token_f1", "scopes": SCOPES, "routes": routes, "items": 1200,
        "kinds": {"fact": 800, "form": 400},
    }  # fmt: skip


def test_comparison_has_a_panel_for_each_scope_and_asymmetric_intervals() -> None:
    figure = _figures.comparison(_comparison())
    points = [t for t in figure["data"] if t["mode"] == "markers"]
    assert len(points) == 6
    assert {t["xaxis"] for t in points} == {"x", "x2", "x3"}
    bars = points[0]["error_x"]
    assert round(bars["array"][0], 9) == 0.2
    assert round(bars["arrayminus"][0], 9) == 0.1
    titles = [note["text"] for note in figure["layout"]["annotations"]]
    assert titles == [
        "<b>overall</b>  1,200 questions",
        "<b>fact</b>  800 questions",
        "<b>form</b>  400 questions",
    ]
    domains = [figure["layout"][f"xaxis{s}"]["domain"] for s in ("", "2", "3")]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(domains))
    assert domains[-1][1] <= 1.000001
    ranges = [figure["layout"][f"xaxis{s}"]["range"] for s in ("", "2", "3")]
    assert ranges[0] == ranges[1] == ranges[2]  # comparable at a glance
    assert ranges[0][1] > 0.7


def test_many_or_long_kinds_still_fit() -> None:
    data = _comparison()
    data["scopes"] = ["overall", "a", "b", "a_kind_with_a_very_long_name"]
    data["kinds"] = dict.fromkeys(data["scopes"][1:], 400)
    for route in data["routes"].values():
        route["token_f1"] = dict.fromkeys(data["scopes"], CELL)
    titles = [n["text"] for n in _figures.comparison(data)["layout"]["annotations"]]
    assert titles[1] == "<b>a</b>  400"
    assert titles[3] == "<b>a_kind_with_a_v…</b>  400"


def test_every_route_can_be_drawn_when_all_scores_are_zero() -> None:
    data = _comparison()
    zero = {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 3}
    data["routes"] = {r: {"token_f1": dict.fromkeys(SCOPES, zero)} for r in _figures.COLOURS}
    assert _figures.comparison(data)["layout"]["xaxis"]["range"] == [0, 1]


def test_losses_leave_out_what_was_not_measured() -> None:
    points = [(1, 100, 3.0, 3.1), (2, 200, 2.5, None), (3, 300, 2.0, 2.2), (4, 400, 1.9, 2.4)]
    figure = _figures.losses(points)
    training, validation = figure["data"]
    assert training["y"] == [3.0, 2.5, 2.0, 1.9]
    assert (validation["x"], validation["y"]) == ([1, 3, 4], [3.1, 2.2, 2.4])
    assert figure["layout"]["annotations"][0]["x"] == 3
    assert figure["layout"]["annotations"][0]["text"] == "best 2.200"


def test_losses_without_validation_have_one_line() -> None:
    figure = _figures.losses([(1, 100, 3.0, None)])
    assert [trace["name"] for trace in figure["data"]] == ["training"]
    assert figure["layout"]["annotations"] == []


def test_kept_and_refused_are_stacked() -> None:
    figure = _figures.kept([("documents", 100, 40), ("questions", 250, 1)])
    kept, refused = figure["data"]
    assert (kept["x"], refused["x"]) == ([100, 250], [40, 1])
    assert refused["text"] == ["40", ""]  # no room in a bar this short
    assert figure["layout"]["barmode"] == "stack"


def test_split_shows_totals_and_kinds() -> None:
    figure = _figures.split({"train": {"fact": 2000, "form": 500}, "test": {"form": 30}})
    assert [trace["name"] for trace in figure["data"]] == ["fact", "form"]
    assert figure["data"][0]["x"] == [2000, 0]
    assert figure["data"][0]["y"] == ["train  2,500", "test  30"]


def test_labels_are_escaped() -> None:
    figure = _figures.split({"train": {"<b>": 3}})
    assert figure["data"][0]["name"] == "&lt;b&gt;"
