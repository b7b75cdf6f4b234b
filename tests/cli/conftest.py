"""A comparison of five routes, as ``compare`` tells it, from made-up answers."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.evaluate._tally import tally
from luthier.evaluate.answers import ItemResult
from luthier.evaluate.compare import EvaluateSpec

ROUTES = ("base", "few-shot", "rag", "fine-tuned", "rag+fine-tuned")
QUALITY = {"base": 10, "few-shot": 11, "rag": 50, "fine-tuned": 40, "rag+fine-tuned": 80}


def answer(route: str, number: int) -> ItemResult:
    good = (number * 37) % 100 < QUALITY[route]
    kind = "form" if number % 3 == 0 else "fact"
    searched = "rag" in route
    return ItemResult(
        route=route,
        item_id=str(number),
        kind=kind,
        group=str(number),
        origin="json.py:1",
        question="q?",
        reference="a",
        answer="a" if good else "b",
        token_f1=0.9 if good else 0.1,
        exact_match=good,
        json_match=good if kind == "form" else None,
        faithfulness=0.75 if searched else None,
        source_found=True if searched else None,
        nll_nats=2.0,
        reference_tokens=4,
        prompt_tokens=30,
        completion_tokens=5,
        finish_reason="stop",
        passage_ids=(),
        citations=(),
        latency_s=0.1 + searched * 0.05,
    )


@pytest.fixture(scope="session")
def comparison() -> dict[str, Any]:
    """As ``compare`` tells it; the rag+fine-tuned route is clearly the best."""
    rows = [answer(route, number) for route in ROUTES for number in range(100)]
    spec = EvaluateSpec(routes=ROUTES, resamples=1000)
    return tally(spec, rows, dict.fromkeys(ROUTES, 0), seed=0)
