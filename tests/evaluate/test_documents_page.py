"""The page of measured retrieval: every figure, differences in pairs, and the worst answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from luthier.evaluate.documents import METRICS, Answers, Given
from luthier.evaluate.documents_page import gaps, measured_page
from luthier.evaluate.page import write_page
from luthier.rag.measure import Leak, Measurement, Sought

QUESTIONS = tuple(
    Sought(f"q{n}", f"Question {n}?", {"d": 1.0}, "time" if n % 2 else "person", answers=("Yes",))
    for n in range(12)
)


def measurement(mean: float, metrics: tuple[str, ...]) -> Measurement:
    values = {m: np.full(12, mean) for m in metrics}
    return Measurement(QUESTIONS, values, np.arange(1.0, 13.0), ())


def answered(mean: float) -> Answers:
    given = tuple(Given(q.id, "<b>No</b>", False, False, ()) for q in QUESTIONS)
    return Answers(measurement(mean, METRICS), given)


FOUND = {
    "now": measurement(0.9, ("ndcg@10", "recall@5")),
    "bm25": measurement(0.7, ("ndcg@10", "recall@5")),
}


def test_searches_are_held_against_the_first() -> None:
    told = gaps(FOUND, ["ndcg@10"])
    assert {(name, metric) for name, metric, _, _ in told} == {("bm25 - now", "ndcg@10")}
    assert [scope for _, _, scope, _ in told] == ["all", "type: person", "type: time"]
    assert all(abs(gap.gain.mean + 0.2) < 1e-9 for *_, gap in told)
    assert told[0][3].verdict == "worse"


def test_all_figures_are_on_the_page(tmp_path: Path) -> None:
    routes = {"extractive": answered(0.4), "rag": answered(0.3)}
    page = measured_page("shop", "12 questions", FOUND, routes, ["abstention is off"])
    titles = [section.title for section in page.sections]
    assert "Passages found: ndcg@10 by type" in titles
    assert "Answers: held against each other" in titles
    assert any("0.900 [0.900, 0.900]" in cell for row in page.sections[0].rows for cell in row)
    write_page(page, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;No" in text
    assert "<b>No</b>" not in text


def test_leaks_come_first() -> None:
    leaking = Measurement(
        QUESTIONS, FOUND["now"].values, FOUND["now"].latencies_ms, (Leak("q1", "d#0"),)
    )
    page = measured_page("shop", "12 questions", {"now": leaking}, {})
    assert page.headline[0].startswith("now: 1 LEAKS")
