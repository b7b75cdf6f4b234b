"""Figures of rankings, held against trec_eval's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from luthier.rag.measuring.metrics import parsed, quantile, score

NAMES = {
    "ndcg@10": "ndcg_cut_10",
    "ndcg": "ndcg",
    "recall@5": "recall_5",
    "recall@100": "recall_100",
    "precision@5": "P_5",
    "hit@1": "success_1",
    "hit@10": "success_10",
    "mrr": "recip_rank",
    "map": "map",
}
KEYS = st.sampled_from([f"d{n}" for n in range(30)])
RANKINGS = st.lists(KEYS, unique=True, max_size=25)
GRADES = st.dictionaries(KEYS, st.integers(0, 3), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(RANKINGS, GRADES), min_size=1, max_size=4))
def test_figures_are_those_of_trec_eval(asked: Sequence[tuple[list[str], dict[str, int]]]) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    judged = {str(i): grades for i, (_, grades) in enumerate(asked) if grades}
    run = {
        str(i): {key: float(len(ranking) - place) for place, key in enumerate(ranking)}
        for i, (ranking, _) in enumerate(asked)
    }
    measures = {"ndcg_cut.10", "ndcg", "recall.5,100", "P.5", "success.1,10", "recip_rank", "map"}
    theirs = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run) if judged else {}
    ours = score([r for r, _ in asked], [dict(g) for _, g in asked], tuple(NAMES))
    for i, (ranking, grades) in enumerate(asked):
        for name, other in NAMES.items():
            if not any(grade > 0 for grade in grades.values()):
                assert math.isnan(ours[name][i])
            elif ranking:
                assert ours[name][i] == pytest.approx(theirs[str(i)][other], abs=1e-9), name
            else:
                assert ours[name][i] == 0.0


@given(RANKINGS, GRADES.filter(lambda g: any(g.values())), st.integers(1, 30))
def test_a_better_place_is_never_worse(
    ranking: list[str], grades: Mapping[str, int], place: int
) -> None:
    metrics = ("ndcg@10", "recall@5", "precision@5", "hit@3", "mrr", "map")
    relevant = [key for key in ranking if grades.get(key, 0) > 0]
    if not relevant:
        return
    best = max(relevant, key=lambda key: grades[key])
    moved = [best, *(key for key in ranking if key != best)]
    before, after = (score([one], [dict(grades)], metrics) for one in (ranking, moved))
    assert all(after[m][0] >= before[m][0] - 1e-12 for m in metrics)
    assert all(0 <= after[m][0] <= 1 for m in metrics)


def test_figures_by_hand() -> None:
    found = score(
        [["x", "a", "b"], [], ["a"]],
        [{"a": 2, "b": 1, "z": 1}, {"a": 1}, {}],
        ("recall@2", "precision@2", "hit@1", "mrr", "map", "ndcg@3"),
    )
    assert found["recall@2"][:2] == pytest.approx([1 / 3, 0])
    assert found["precision@2"][:2] == pytest.approx([1 / 2, 0])
    assert found["hit@1"][0] == 0
    assert found["mrr"][0] == 0.5
    assert found["map"][0] == pytest.approx((1 / 2 + 2 / 3) / 3)
    ideal = 2 + 1 / math.log2(3) + 1 / 2
    assert found["ndcg@3"][0] == pytest.approx((2 / math.log2(3) + 1 / 2) / ideal)
    assert all(np.isnan(values[2]) for values in found.values())


def test_what_is_found_twice_counts_once() -> None:
    found = score([["a", "a", "a"]], [{"a": 1, "b": 1}], ("recall@3", "precision@3"))
    assert found["recall@3"][0] == 0.5
    assert found["precision@3"][0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["recal@5", "recall@0", "recall@x", "precision", "ndcg@-1", ""])
def test_a_metric_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"metric|depth"):
        parsed(name)


def test_the_interval_of_a_quantile_covers_it_about_95_percent_of_the_time() -> None:
    random, hits = np.random.default_rng(3), 0
    for _ in range(500):
        told = quantile(random.exponential(size=200), 0.95)
        hits += told.low <= -math.log(0.05) <= told.high
    assert 0.92 <= hits / 500 <= 0.99


def test_a_quantile_of_few_values_has_their_ends() -> None:
    told = quantile([3.0, 1.0, 2.0], 0.5)
    assert (told.mean, told.low, told.high, told.n) == (2.0, 1.0, 3.0, 3)
