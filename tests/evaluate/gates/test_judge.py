"""The evidence for one rule."""

import numpy as np
import pytest
from gated_runs import about, right, run

from luthier.core.errors import ConfigError, DataError
from luthier.evaluate.gates.judge import weigh
from luthier.evaluate.gates.rules import (
    GatesSpec,
    Level,
    NonInferiority,
    NoRegression,
    Superiority,
)
from luthier.evaluate.gates.sides import Side, sides

SPEC = GatesSpec()


def _side(*scores: list[float], **more: object) -> Side:
    return sides([run({"exact_match": one}, **more) for one in scores])["faq"]  # type: ignore[arg-type]


def test_a_level_of_right_and_wrong_is_exact() -> None:
    rule = Level(kind="level", metric="exact_match", min=0.7, max=0.95)
    (low, high), _ = weigh(rule, _side(right(100, 15)), None, SPEC)
    assert (low.interval, low.method) == (high.interval, "exact share")
    assert low.at_least
    assert low.p_pass < 0.001
    assert not high.at_least
    assert high.claim == "exact_match is at most 0.95"
    assert high.p_pass < 0.001


def test_a_difference_has_its_tests() -> None:
    rule = Superiority(kind="superiority", metric="exact_match")
    (found,), _ = weigh(rule, _side(right(100, 5)), _side(right(100, 30)), SPEC)
    assert (found.new, found.old) == (0.95, 0.70)
    assert found.interval.mean == pytest.approx(0.25)
    assert found.tests is not None
    assert found.tests.only_first == 25
    assert found.p_pass < 1e-6


def test_where_less_is_better_the_claim_turns_round() -> None:
    new = sides([run({"f1": right(60, 1)}, latency_s=[1.0, 1.1, 1.3])])["faq"]
    old = sides([run({"f1": right(60, 1)}, latency_s=[2.0, 2.4, 2.1])])["faq"]
    faster = Superiority(kind="superiority", metric="latency_s", by=0.5)
    (found,), _ = weigh(faster, new, old, SPEC)
    assert (found.bound, found.at_least) == (-0.5, False)
    assert found.p_pass < 0.001
    (back,), _ = weigh(NonInferiority(kind="non-inferiority", metric="latency_s", margin=0.1),
                       old, new, SPEC)  # fmt: skip
    assert back.p_fail < 0.001


def test_parts_and_those_too_small() -> None:
    tags = ["big"] * 9 + ["rare"]
    new, old = (_side(right(100, wrong), tags=tags) for wrong in (10, 12))
    rule = NoRegression(kind="no-regression", metric="exact_match", margin=0.1)
    found, small = weigh(rule, new, old, SPEC)
    assert [one.part for one in found] == ["big"]
    assert [(one.part, one.items) for one in small] == [("rare", 10)]
    with pytest.raises(DataError, match="enough items"):
        weigh(rule.model_copy(update={"each": "group"}), new, old, SPEC)
    by_kind, _ = weigh(rule.model_copy(update={"each": "kind"}), new, old, SPEC)
    assert [one.part for one in by_kind] == ["qa"]


def test_a_quantile_of_latency_is_judged_by_counting() -> None:
    side = sides([run({"f1": right(200, 1)}, latency_s=[1.0] * 99 + [9.0])])["faq"]
    rule = Level(kind="level", metric="latency_p95_s", max=2.0)
    (found,), _ = weigh(rule, side, None, SPEC)
    assert found.p_pass == pytest.approx(0.0023, abs=2e-3)
    (found,), _ = weigh(rule.model_copy(update={"max": 0.5}), side, None, SPEC)
    assert found.p_fail < 1e-6


def test_a_figure_of_the_whole_suite_is_judged_by_its_interval() -> None:
    told = {"macro_f1": {"mean": 0.7, "low": 0.62, "high": 0.76, "n": 50}}
    side = sides([run({"f1": right(50, 1)}, about(summary=told))])["faq"]
    for bound, clear in ((0.61, True), (0.63, False)):
        (found,), _ = weigh(Level(kind="level", metric="macro_f1", min=bound), side, None, SPEC)
        assert (found.p_pass <= 0.025) == clear


def test_seeds_widen_the_interval() -> None:
    new = _side(right(100, 10), right(100, 30), right(100, 20))
    (many,), _ = weigh(Level(kind="level", metric="exact_match", min=0.5), new, None, SPEC)
    assert many.method == "items and seeds"
    assert many.interval.high - many.interval.low > 0.3
    rule = Superiority(kind="superiority", metric="exact_match")
    (found,), _ = weigh(rule, new, _side(right(100, 22)), SPEC)
    assert found.tests is None
    assert found.p_pass > 0.2


def test_at_every_look_intervals_are_wider_and_say_when() -> None:
    random = np.random.default_rng(1)
    new = _side([float(x) for x in random.random(400) < 0.9])
    rule = Level(kind="level", metric="exact_match", min=0.6)
    (looked,), _ = weigh(rule, new, None, GatesSpec(sequential=True))
    (once,), _ = weigh(rule, new, None, SPEC)
    assert looked.interval.low < once.interval.low
    assert looked.settled is not None
    assert looked.settled < 200
    assert looked.p_pass <= 0.025
    timed = sides([run({"f1": right(9, 1)}, latency_s=[3.0])])["faq"]
    with pytest.raises(ConfigError, match="no known ends"):
        weigh(Level(kind="level", metric="latency_s", max=4), timed, None,
              GatesSpec(sequential=True))  # fmt: skip


def test_items_the_metric_does_not_apply_to_are_counted() -> None:
    new = sides([run({"json": [1.0, None] * 30})])["faq"]
    (found,), _ = weigh(Level(kind="level", metric="json", min=0.5), new, None, SPEC)
    assert (found.unfit, found.interval.n) == (30, 30)


def test_without_a_base_there_is_nothing_to_hold_against() -> None:
    with pytest.raises(ConfigError, match="needs a run of 'faq'"):
        weigh(Superiority(kind="superiority", metric="exact_match"), _side(right(9, 1)), None, SPEC)
