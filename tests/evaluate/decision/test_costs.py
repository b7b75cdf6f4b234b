"""Costs against sums worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest

from luthier.evaluate.decision.costs import (
    Effort,
    Use,
    break_even_updates,
    break_even_volume,
    cost_of,
    pareto,
    per_month,
)
from luthier.evaluate.decision.spec import PricesSpec

USE = Use(volume=2000, updates=3, months=10)
TUNED = Effort(tuning_s=7200, labels=100, answer_s=1.8, relabels=True)
PRICES = PricesSpec(per_hour=2.0, tuning_per_hour=5.0, per_label=0.5)


def test_a_tuned_route() -> None:
    cost = cost_of(TUNED, PRICES, 99.0, 0.2)
    assert (cost.tuning, cost.labels, cost.indexing) == (10.0, 50.0, 0.0)
    assert cost.per_1000 == pytest.approx(1.0)  # 1,800 s are half an hour
    assert cost.update == pytest.approx(10 + 50 * 0.2)
    assert per_month(cost, USE) == pytest.approx(60 / 10 + 2 * 1.0 + 3 * 20)


def test_a_route_that_retrieves_is_updated_by_indexing_alone() -> None:
    effort = dataclasses.replace(TUNED, indexing_s=1800, relabels=False)
    assert cost_of(effort, PRICES, 99.0, 0.2).update == pytest.approx(0.2)


def test_an_endpoint_is_charged_by_tokens() -> None:
    effort = Effort(
        answer_s=9, prompt_tokens=500, completion_tokens=20, prompt_price=1.0,
        completion_price=10.0, remote=True,
    )  # fmt: skip
    assert cost_of(effort, PRICES, 99.0, 0.1).per_1000 == pytest.approx(0.5 + 0.2)


def test_the_price_of_the_comparison_stands_in() -> None:
    assert cost_of(TUNED, PricesSpec(), 3.0, 0.0).tuning == 6.0


def test_break_even_is_where_both_cost_the_same() -> None:
    first = cost_of(TUNED, PRICES, 0.0, 0.2)
    second = cost_of(Effort(indexing_s=1800, answer_s=180.0), PRICES, 0.0, 0.2)
    volume = break_even_volume(first, second, USE)
    assert volume is not None
    there = dataclasses.replace(USE, volume=volume)
    assert per_month(first, there) == pytest.approx(per_month(second, there))
    updates = break_even_updates(first, second, USE)
    assert updates is not None
    there = dataclasses.replace(USE, updates=updates)
    assert per_month(first, there) == pytest.approx(per_month(second, there))


def test_none_where_one_is_cheaper_at_any_volume() -> None:
    dear, cheap = (cost_of(Effort(answer_s=s, tuning_s=s), PRICES, 0.0, 0.0) for s in (9, 1))
    assert break_even_volume(dear, cheap, USE) is None
    assert break_even_updates(dear, cheap, USE) is None


def test_the_front_holds_what_no_other_beats() -> None:
    assert pareto([(0.9, 5.0), (0.5, 1.0), (0.5, 2.0), (0.9, 5.0), (0.1, 0.5)]) == [
        True, True, False, True, True,
    ]  # fmt: skip
