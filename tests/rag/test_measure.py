"""A search is measured: how good, for whom, and whether it leaks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import ANYONE, Slice, seen, viewer
from luthier.rag.measure import Leak, Search, Sought, as_viewer, compare, measure

ANN = viewer(["ann"])


def passage(document: str, access: Sequence[str] = (EVERYONE,), start: int = 0) -> Passage:
    return Passage(f"{document}#{start}", document, "T", "x", "f", 0, 1, access=tuple(access))


SHELF = [passage("a"), passage("a", start=5), passage("b", ["ann"]), passage("c")]
ACCESS = {one.document_id: one.access for one in SHELF}
QUESTIONS = [
    Sought("1", "first", {"a": 1}, "fact"),
    Sought("2", "second", {"c": 1, "b": 1}, "fact", ANN),
    Sought("3", "third", {"b": 1}, "other"),
]


def honest(text: str, part: Slice, k: int) -> list[Passage]:
    return seen(SHELF, part.who)[:k]


def careless(text: str, part: Slice, k: int) -> list[Passage]:
    return SHELF[:k]


def test_figures_by_hand() -> None:
    made = measure(QUESTIONS, honest, ACCESS, metrics=["recall@2", "mrr"], depth=10)
    assert made.values["mrr"][:2] == pytest.approx([1.0, 0.5])
    assert made.values["recall@2"][:2] == pytest.approx([1.0, 0.5])
    assert math.isnan(made.values["mrr"][2])  # nobody but ann may see b
    assert made.leaks == ()
    rows = {row.scope: row for row in made.rows()}
    assert list(rows) == ["all", "type: fact", "viewer: ann", "viewer: anyone"]
    assert rows["all"].questions == 2
    assert rows["all"].figures["mrr"].mean == pytest.approx(0.75)
    assert "1 questions have no answer" in made.text()
    assert "LEAK" not in made.text()
    assert made.latency_ms(95) >= made.latency_ms(50) >= 0
    assert made.measured("mrr").values == pytest.approx((1.0, 0.5))


def test_a_leak_is_told_and_is_never_a_hit() -> None:
    made = measure(QUESTIONS, careless, ACCESS, metrics=["mrr"], depth=10)
    assert Leak("3", "b#0") in made.leaks
    assert {leak.question for leak in made.leaks} == {"1", "3"}
    assert math.isnan(made.values["mrr"][2])
    assert "2 LEAKS" in made.text()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sets(st.sampled_from(["ann", "bob", EVERYONE])), min_size=5, max_size=5),
    st.sets(st.sampled_from(["ann", "bob"])),
    st.booleans(),
)
def test_what_is_closed_is_neither_expected_nor_counted(
    access: list[set[str]], who: set[str], leaking: bool
) -> None:
    shelf = [passage(f"d{n}", sorted(one)) for n, one in enumerate(access)]
    asked = viewer(who)
    question = Sought("q", "q", {one.document_id: 1 for one in shelf}, who=asked)

    def search(text: str, part: Slice, k: int) -> list[Passage]:
        return shelf if leaking else seen(shelf, part.who)

    lists = {one.document_id: one.access for one in shelf}
    open_ = seen(shelf, asked)
    if not open_:
        with pytest.raises(DataError, match="may see"):
            measure([question], search, lists)
        return
    made = measure([question], search, lists, metrics=["recall@10", "precision@5"], depth=10)
    assert made.values["recall@10"][0] == 1.0
    assert made.values["precision@5"][0] == pytest.approx(len(open_) / 5)
    assert len(made.leaks) == (len(shelf) - len(open_) if leaking else 0)


def test_a_list_that_is_not_known_is_closed() -> None:
    with pytest.raises(DataError, match="may see"):
        measure(QUESTIONS[:1], honest, {}, metrics=["mrr"])


def test_passages_may_be_what_is_sought() -> None:
    question = Sought("q", "q", {"a#5": 1})
    lists = {one.id: one.access for one in SHELF}
    made = measure([question], honest, lists, by="passage", metrics=["mrr"])
    assert made.values["mrr"][0] == 0.5


def test_two_searches_are_compared_in_pairs() -> None:
    questions = [Sought(str(n), "q", {"a": 1}, group=f"g{n // 2}") for n in range(40)]

    def turned(text: str, part: Slice, k: int) -> list[Passage]:
        return seen(SHELF, part.who)[::-1]

    first = measure(questions, honest, ACCESS, metrics=["mrr"])
    second = measure(questions, turned, ACCESS, metrics=["mrr"])
    gap = compare(first, second, "mrr")["all"]
    assert gap.gain.mean == pytest.approx(0.5)
    assert gap.verdict == "better"
    same = compare(first, first, "mrr")["all"].gain
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    other = measure(questions[:3], honest, ACCESS, metrics=["mrr"])
    with pytest.raises(DataError, match="different questions"):
        compare(first, other, "mrr")


def test_questions_can_be_asked_by_somebody_else() -> None:
    asked = [*QUESTIONS[2:], *as_viewer(QUESTIONS[2:], ANN)]
    made = measure(asked, honest, ACCESS, metrics=["mrr"])
    assert made.findable.tolist() == [False, True]
    assert as_viewer(QUESTIONS, ANYONE)[0].id == "1 as anyone"


@pytest.mark.parametrize(
    ("questions", "problem"),
    [([], "no questions"), ([QUESTIONS[0], QUESTIONS[0]], "two questions")],
)
def test_bad_questions_are_refused(questions: list[Sought], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        measure(questions, honest, ACCESS)


def test_a_metric_deeper_than_the_search_is_refused() -> None:
    search: Search = honest
    with pytest.raises(ValueError, match="deeper"):
        measure(QUESTIONS, search, ACCESS, metrics=["recall@100"], depth=10)
    assert np.isfinite(measure(QUESTIONS, search, ACCESS).latencies_ms).all()
