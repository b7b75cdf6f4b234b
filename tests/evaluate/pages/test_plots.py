"""SVG that parses, and stands where the numbers say."""

from xml.etree import ElementTree as ET

from luthier.core.statistics import Interval
from luthier.evaluate.pages import plots
from luthier.evaluate.pages.sureness import Sureness
from luthier.evaluate.scorers.confidence import Bin, Point


def test_a_bar_stands_at_its_shares() -> None:
    svg = ET.fromstring(plots.bar(Interval(0.5, 0.25, float("inf"), 9), 0, 1, 1, bound=0.75))
    drawn = [line for line in svg.iter("line") if line.get("stroke")]
    assert (drawn[0].get("x1"), drawn[0].get("x2")) == ("25.00%", "100%")
    assert [line.get("x1") for line in svg.iter("line") if line.get("class") == "bound"] == [
        "75.00%"
    ]
    assert [inner.get("x") for inner in svg.iter("svg")][1] == "50.00%"


def test_a_bar_without_a_figure_is_its_scale() -> None:
    svg = ET.fromstring(plots.bar(None, -1, 1, zero=True))
    assert [line.get("class") for line in svg.iter("line")] == ["axis", "zero"]


def test_runs_have_marks_of_their_own() -> None:
    first = [plots.mark_of(run) for run in range(6)]
    assert len(set(first)) == 6
    assert plots.mark_of(6) == plots.mark_of(1)
    assert ET.fromstring(plots.badge(2)).get("class") == "badge"


def test_square_plots_name_what_they_show() -> None:
    bins = (Bin(7, 0.9, 0.5, 0.2, 0.8),)
    found = [Sureness(0, 7, bins, (Point(0.5, 0.0, 0.9), Point(1.0, 0.25, 0.9)))]
    for draw in (plots.reliability, plots.risk):
        svg = ET.fromstring(draw(found, ["<a & b>"]))
        assert svg.get("role") == "img"
        assert svg.get("aria-label")
        assert any("<a & b>" in (title.text or "") for title in svg.iter("title"))
