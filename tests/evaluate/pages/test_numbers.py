"""Figures, differences and parts, each with its interval."""

import math

from gated_runs import about, right, run

from luthier.evaluate.pages.numbers import costs, differences, figures, parts
from luthier.evaluate.pages.sides import together


def test_figures_are_those_the_run_was_written_with() -> None:
    told = about(summary={"macro_f1": {"mean": 0.3, "low": 0.2, "high": 0.4, "n": 9}})
    (side,) = together([run({"exact_match": right(10, 5)}, told)])
    own, whole = figures(side)
    assert own.cells[0] is not None
    assert (own.label, own.cells[0].mean, own.same) == ("exact_match", 0.5, 10)
    assert own.cells[0].low < 0.5 < own.cells[0].high
    assert whole.cells[0] is not None
    assert (whole.label, whole.cells[0].low, whole.low, whole.high) == ("macro_f1", 0.2, 0.0, 1.0)


def test_a_figure_of_other_ends_has_its_own_scale() -> None:
    (side,) = together([run({"bits_per_byte": [2.0, 3.0, 4.0, 2.5]})])
    (line,) = figures(side)
    assert line.lower
    assert 0 <= line.low < 2.0
    assert line.high > 4.0


def test_differences_are_adjusted_for_their_number() -> None:
    base = run({"accuracy": right(100, 50), "loss": [1.0, 2.0] * 50}, about("base"))
    same = run({"accuracy": right(100, 48), "loss": [1.0, 2.0] * 50}, about("same"))
    good = run({"accuracy": right(100, 5), "loss": [2.0, 1.0] * 50}, about("good"))
    (side,) = together([base, same, good])
    found = {(one.run, one.metric): one for one in differences(side)}
    assert len(found) == 4
    unclear, clear = found[1, "accuracy"], found[2, "accuracy"]
    assert (unclear.outcome, unclear.better, unclear.worse) == ("cannot tell", 2, 0)
    assert unclear.needed is not None
    assert unclear.needed > 100
    assert (clear.outcome, clear.better, clear.worse, clear.needed) == ("better", 45, 0, None)
    assert math.isclose(clear.interval.mean, 0.45)


def test_less_is_better_for_losses() -> None:
    base = run({"bits_per_byte": [2.0 + i % 7 / 10 for i in range(60)]}, about("base"))
    new = run({"bits_per_byte": [1.0 + i % 5 / 10 for i in range(60)]}, about("new"))
    (side,) = together([base, new])
    (found,) = differences(side)
    assert (found.outcome, found.better, found.worse) == ("better", 60, 0)
    assert found.interval.mean < 0


def test_parts_are_tags_that_not_all_items_have() -> None:
    (side,) = together([run({"accuracy": right(40, 10)}, tags=("a", "b"))])
    (part,) = parts(side)
    assert [(line.label, line.same) for line in part.lines] == [("a", 20), ("b", 20)]
    (side,) = together([run({"accuracy": right(40, 10)}, tags=("all",))])
    assert parts(side) == []


def test_many_tags_are_counted() -> None:
    tags = [f"t{i}" for i in range(40)]
    (side,) = together([run({"accuracy": right(80, 10)}, tags=tags)])
    (part,) = parts(side)
    assert (len(part.lines), part.left) == (24, 16)


def test_costs_that_nobody_knows_are_left_out() -> None:
    (side,) = together([run({"accuracy": right(20, 1)}, latency_s=[0.5, 1.5])])
    labels = [line.label for line in costs(side)]
    assert labels[0] == "latency, median (s)"
    assert "cost of 1,000 answers" not in labels
