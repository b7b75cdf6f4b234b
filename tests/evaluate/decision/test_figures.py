"""The plots show the decision's figures."""

from __future__ import annotations

from made import decision

from luthier.evaluate.decision import figures


def test_the_front_is_drawn_through_its_routes() -> None:
    told = decision()
    figure = figures.front(told, "cost")
    line, *points = figure["data"]
    assert len(line["x"]) == 3
    assert line["x"] == sorted(line["x"])
    names = {
        note["text"].removeprefix("<b>").removesuffix("</b>")
        for note in figure["layout"]["annotations"]
    }
    assert names == set(told["routes"])
    assert all(x > 0 for p in points for x in p["x"])  # a logarithm


def test_bars_count_every_wrong_answer() -> None:
    told = decision()
    bars = figures.wrong(told)["data"]
    assert sum(sum(bar["x"]) for bar in bars) == 60 + 20 + 48 + 5


def test_the_curve_has_its_points() -> None:
    [line] = figures.curve(decision())["data"]
    assert line["x"] == [250, 500]
