"""Sentences of a page."""

import dataclasses

import pytest
from gated_runs import about, right, rows, run

from luthier.core.statistics import Interval
from luthier.evaluate.pages import words
from luthier.evaluate.pages.numbers import Difference, differences, figures
from luthier.evaluate.pages.sides import together
from luthier.evaluate.runs.rows import from_rows


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.5, "0.500"), (-0.25, "\u22120.250"), (-0.0001, "0.000"), (12345.6, "12,346")],
)
def test_figures(value: float, told: str) -> None:
    assert words.figure(value) == told


def test_signs_and_ends() -> None:
    assert words.signed(0.25) == "+0.250"
    assert words.signed(0.00001) == "0.000"
    assert words.ends(Interval(0.5, 0.25, 0.75, 4)) == "0.250 to 0.750"
    assert words.ends(Interval(0.5, 0.25, float("inf"), 4)) == "0.250 or more"
    assert words.ends(Interval(0.5, float("-inf"), float("inf"), 4)) == "unknown"


def test_what_would_tell_is_said() -> None:
    one = Difference(1, "a", Interval(0.1, -0.1, 0.3, 50), "cannot tell", 0.3, 5, 2, 290)
    assert words.apart(one) == "cannot tell: 240 more items would"
    assert words.apart(dataclasses.replace(one, needed=None)) == "cannot tell"
    assert words.apart(dataclasses.replace(one, outcome="worse")) == "worse"


def test_the_best_comes_first() -> None:
    runs = [run({"accuracy": right(200, n)}, about(name))
            for name, n in (("base", 100), ("bad", 150), ("good", 50), ("best", 10))]  # fmt: skip
    (side,) = together(runs)
    told = words.headline(side, figures(side), differences(side))
    assert [line.split(":")[0] for line in told] == [
        "best is better than base", "good is better than base", "bad is worse than base"
    ]  # fmt: skip


def test_no_metric_is_said() -> None:
    (side,) = together([from_rows(rows(3), [{}] * 3, about())])
    assert words.headline(side, [], []) == ["No metric applies to these items."]
    assert "3 of 3 items have no score: no metric applies to them." in words.notices(side)


def test_what_a_reader_could_overlook() -> None:
    held = [dataclasses.replace(row, reply="", finish_reason=end)
            for row, end in zip(rows(4, groups=2), ("length", "context", "error", "stop"),
                                strict=True)]  # fmt: skip
    (side,) = together([from_rows(held, [{"a": 0.0}] * 4, about())])
    told = "\n".join(words.notices(side))
    assert "new: 1 of 4 were cut off at the limit of tokens." in told
    assert "1 of 4 prompts did not fit" in told
    assert "1 of 4 have no answer" in told
    assert "2 of 4 answers are empty" in told
    assert "stand in 2 groups" in told
