"""From rows to intervals, verdicts, cost."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest

from luthier.evaluate._tally import cost_per_1000, tally
from luthier.evaluate.answers import ItemResult
from luthier.evaluate.compare import EvaluateSpec


def row(route: str, number: int, f1: float, **other: Any) -> ItemResult:
    given: dict[str, Any] = {
        "kind": "fact", "group": f"g{number}", "exact_match": f1 == 1.0, "json_match": None,
        "faithfulness": None, "source_found": None, "nll_nats": None, "reference_tokens": None,
        "prompt_tokens": 10, "completion_tokens": 4, "finish_reason": "stop",
        "latency_s": 0.5 if number < 10 else None, **other,
    }  # fmt: skip
    return ItemResult(
        route=route, item_id=f"i{number}", origin="f:1", question="q", reference="r", answer="a",
        token_f1=f1, passage_ids=(), citations=(), **given,
    )  # fmt: skip


def kind_of(number: int) -> str:
    return "form" if number % 4 == 0 else "fact"


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """rag is good at facts, fine-tuned at form; together they are good at both."""
    pick = random.Random(3)
    rows = []
    for route, fact, form in [
        ("base", 0.1, 0.1),
        ("few-shot", 0.1, 0.1),
        ("rag", 0.7, 0.1),
        ("fine-tuned", 0.2, 0.9),
        ("rag+fine-tuned", 0.7, 0.9),
    ]:
        for i in range(200):
            rate = form if kind_of(i) == "form" else fact
            f1 = float(pick.random() < rate)
            json_match = bool(f1) if kind_of(i) == "form" else None
            rows.append(row(route, i, f1, kind=kind_of(i), json_match=json_match))
    spec = EvaluateSpec(resamples=2000)
    return tally(spec, rows, dict.fromkeys(spec.routes, 0), seed=0)


def test_scopes_and_counts(summary: dict[str, Any]) -> None:
    assert summary["scopes"] == ["overall", "fact", "form"]
    assert summary["kinds"] == {"fact": 150, "form": 50}
    assert (summary["items"], summary["groups"], summary["base"]) == (200, 200, "base")


def test_each_kind_has_its_own_winner(summary: dict[str, Any]) -> None:
    assert summary["ranking"]["overall"][0] == "rag+fine-tuned"
    assert set(summary["ranking"]["fact"][:2]) == {"rag", "rag+fine-tuned"}
    assert set(summary["ranking"]["form"][:2]) == {"fine-tuned", "rag+fine-tuned"}
    assert summary["headline"]["overall"].startswith("rag+fine-tuned beats ")
    assert summary["headline"]["fact"].startswith("On fact questions cannot tell ")
    assert "beats base by 0." in summary["headline"]["form"]


def test_differences_against_base(summary: dict[str, Any]) -> None:
    fact, form = summary["against_base"]["fact"], summary["against_base"]["form"]
    assert fact["rag"]["clear"]
    assert not form["rag"]["clear"]
    assert form["fine-tuned"]["clear"]
    assert not fact["few-shot"]["clear"]
    for scope in summary["scopes"]:
        for route, found in summary["against_base"][scope].items():
            assert (found["first"], found["second"]) == (route, "base")
            assert found["low"] <= found["mean"] <= found["high"]
            assert found["p"] <= found["p_holm"] <= 1
            f1 = {r: summary["routes"][r]["token_f1"][scope]["mean"] for r in (route, "base")}
            assert found["mean"] == pytest.approx(f1[route] - f1["base"])
            gained = (found["only_first"] - found["only_second"]) / found["n"]
            assert gained == pytest.approx(found["mean"])


def test_neighbours_go_down_the_ranking(summary: dict[str, Any]) -> None:
    for scope, order in summary["ranking"].items():
        pairs = [(d["first"], d["second"]) for d in summary["neighbours"][scope]]
        assert pairs == list(itertools.pairwise(order))
        assert all(d["mean"] >= 0 for d in summary["neighbours"][scope])


def test_json_match_is_over_the_items_that_have_it(summary: dict[str, Any]) -> None:
    matches = summary["routes"]["fine-tuned"]["json_match"]
    assert matches["fact"] is None
    assert matches["overall"]["n"] == matches["form"]["n"] == 50
    assert matches["form"]["mean"] == summary["routes"]["fine-tuned"]["token_f1"]["form"]["mean"]


def test_the_method_is_told_in_words(summary: dict[str, Any]) -> None:
    assert "not adjusted" in summary["method"]
    assert "Holm" in summary["method"]
    assert "most frequent" not in summary["method"]


def test_one_kind_has_one_scope_and_one_route_nothing_to_compare() -> None:
    spec = EvaluateSpec(routes=("rag",), resamples=1000)
    summary = tally(spec, [row("rag", i, 0.5) for i in range(20)], {"rag": 2}, seed=0)
    assert summary["scopes"] == ["overall"]
    assert summary["base"] == "rag"
    assert "nothing to compare" in summary["headline"]["overall"]
    assert summary["routes"]["rag"]["batch_differs"] == 2


def test_items_without_a_group_stand_alone() -> None:
    spec = EvaluateSpec(routes=("base", "rag"), resamples=1000)
    rows = [row("base", i, 0.1, group="") for i in range(30)]
    rows += [row("rag", i, 0.5 + i / 100, group="") for i in range(30)]
    summary = tally(spec, rows, {"base": 0, "rag": 0}, seed=0)
    assert summary["groups"] == 30
    assert summary["against_base"]["overall"]["rag"]["clear"]


def test_few_groups_can_never_make_a_clear_verdict() -> None:
    spec = EvaluateSpec(routes=("base", "rag"), resamples=1000)
    rows = [row("base", i, 0.1, group=f"g{i % 3}") for i in range(300)]
    rows += [row("rag", i, 0.5, group=f"g{i % 3}") for i in range(300)]
    found = tally(spec, rows, {"base": 0, "rag": 0}, seed=0)["against_base"]["overall"]["rag"]
    assert found["low"] > 0
    assert not found["clear"]


def test_of_many_kinds_the_frequent_are_reported_apart() -> None:
    spec = EvaluateSpec(routes=("rag",), resamples=1000)
    rows = [row("rag", i, 0.5, kind=f"k{min(i % 10, 6)}") for i in range(60)]
    summary = tally(spec, rows, {"rag": 0}, seed=0)
    assert summary["scopes"] == ["overall", "k0", "k1", "k2", "k6"]
    assert len(summary["kinds"]) == 7
    assert "the 4 most frequent of 7 kinds" in summary["method"]


def test_when_base_is_best_it_says_so() -> None:
    spec = EvaluateSpec(routes=("rag", "base"), resamples=1000)
    rows = [row("rag", i, 0.2) for i in range(30)] + [row("base", i, 0.9) for i in range(30)]
    summary = tally(spec, rows, {"rag": 0, "base": 0}, seed=0)
    assert summary["headline"]["overall"] == (
        "base beats rag by 0.700 [0.700, 0.700]; no other route is better than base"
    )
    assert summary["against_base"]["overall"]["rag"]["words"].startswith("base beats rag")


def test_money_time_perplexity_and_cut_answers() -> None:
    spec = EvaluateSpec(routes=("base",), resamples=1000, price_per_hour=3.6)
    reasons = ["stop", "stop", "length", "context"]
    rows = [
        row("base", i, 0.0, finish_reason=reasons[i % 4], latency_s=float(i + 1),
            nll_nats=math.log(8) if i else None, reference_tokens=1 if i else None)
        for i in range(20)
    ]  # fmt: skip
    route = tally(spec, rows, {"base": 0}, seed=0)["routes"]["base"]
    assert route["finish"] == {"stop": 10, "length": 5, "context": 5}
    assert route["latency_p50_s"] == pytest.approx(10.5)
    assert route["latency_p95_s"] == pytest.approx(19.05)
    assert route["cost_per_1000"] == pytest.approx(10.5)
    assert route["perplexity"]["overall"] == pytest.approx(8)
    assert route["scored"] == 19
    assert cost_per_1000(1.8, 0.10) == pytest.approx(0.05)


def test_routes_that_answered_other_items_cannot_be_paired() -> None:
    spec = EvaluateSpec(routes=("base", "rag"), resamples=1000)
    rows = [row("base", i, 0.1) for i in range(5)] + [row("rag", i + 1, 0.1) for i in range(5)]
    with pytest.raises(AssertionError, match="other items"):
        tally(spec, rows, {"base": 0, "rag": 0}, seed=0)
