"""What a search found, as a person reads it."""

from __future__ import annotations

import dataclasses

from luthier.core.statistics import Interval
from luthier.rag.measuring.measured import Compared
from luthier.rag.measuring.table import locked_lines, tuned_lines
from luthier.rag.tuning import Figures, Locked, StepEffect, Trial, Tuned

NOW = Figures({"weight": 0.5, "rerank": False}, 0.7012, 3.1, 5.2, True)
BEST = Figures({"weight": 0.612345, "rerank": True}, 0.7321, 5.0, 9.9, True)
BETTER = Compared(Interval(0.0309, 0.012, 0.049, 300), 0.001, 1.9, 4.7, "better")
TUNED = Tuned(
    "ndcg@10",
    300,
    "p95 at most 12 ms",
    NOW,
    BEST,
    BETTER,
    (StepEffect("reranker", True, BETTER),),
    (
        Trial(0, {}, 0.70, 5.2, True, ""),
        Trial(1, {}, 0.74, 30.0, False, ""),
        Trial(2, {}, None, None, False, "no vectors"),
    ),
)


def test_the_table_says_what_was_found() -> None:
    assert tuned_lines(TUNED) == [
        "2 trials on 300 validation questions, p95 at most 12 ms; 1 too slow; 1 failed",
        "",
        "             ndcg@10    p50 ms    p95 ms",
        "now           0.7012      3.10      5.20",
        "best          0.7321      5.00      9.90",
        "gain      +0.0309 [+0.0120, +0.0490]: better",
        "",
        "weight  0.5 -> 0.6123",
        "rerank  False -> True",
        "",
        "step      used  gain [95 %]                    p50 ms    p95 ms  verdict",
        "reranker  yes   +0.0309 [+0.0120, +0.0490]      +1.90     +4.70  better",
    ]


def test_a_gain_that_is_none_is_called_so() -> None:
    same = dataclasses.replace(TUNED, best=NOW, steps=())
    assert tuned_lines(same)[-1] == "The settings are the best that was found."
    chance = dataclasses.replace(
        TUNED, compared=dataclasses.replace(BETTER, verdict="cannot tell apart"), steps=()
    )
    assert "not told from chance" in tuned_lines(chance)[-1]


def test_locked_questions_are_fresh_once() -> None:
    slow = dataclasses.replace(NOW, feasible=False)
    lines = locked_lines("ndcg@10", Locked(slow, BEST, BETTER, 1))
    assert lines[0] == "300 locked questions"
    assert lines[3].endswith("too slow")
    assert "no longer fresh" not in lines[-1]
    assert "no longer fresh" in locked_lines("ndcg@10", Locked(NOW, BEST, BETTER, 2))[-1]
