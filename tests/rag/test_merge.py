"""Passages that say the same are shown once, and nothing that differs is lost."""

from __future__ import annotations

import dataclasses

from hypothesis import given, strategies as st

from luthier.core.records import Passage
from luthier.rag._merge import merge

TEXT = "".join(chr(97 + (i * 7) % 26) + (" " if i % 5 == 4 else "") for i in range(120))


def piece(start: int, end: int, document: str = "d", **changes: object) -> Passage:
    text = TEXT[start:end]
    base = Passage(f"{document}#{start}:{end}", document, document, text, "d.txt:1", start, end)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def other(name: str, text: str) -> Passage:
    return Passage(f"{name}#0", name, name, text, f"{name}:1", 0, len(text))


def test_overlapping_slices_become_their_union_at_the_place_of_the_best() -> None:
    far = other("far", "quite another text")
    best, worse = piece(20, 50, score=2.0), piece(0, 30, score=1.0)
    found = merge([best, far, worse])
    assert [p.id for p in found.passages] == ["d#0:50", "far#0"]
    union = found.passages[0]
    assert (union.text, union.start, union.end, union.score) == (TEXT[:50], 0, 50, 2.0)
    assert found.sources == {"d#0:50": ("d#20:50", "d#0:30")}


def test_a_slice_that_closes_a_gap_joins_all_three() -> None:
    found = merge([piece(0, 20), piece(40, 60), piece(15, 45)])
    assert [p.text for p in found.passages] == [TEXT[:60]]
    assert found.sources["d#0:60"] == ("d#0:20", "d#40:60", "d#15:45")


def test_touching_slices_and_other_documents_stay_apart() -> None:
    rows = [piece(0, 20), piece(20, 40), piece(100, 119, document="e")]
    assert merge(rows).passages == tuple(rows)


def test_different_access_lists_are_never_joined() -> None:
    rows = [piece(0, 30, access=("ann",)), piece(20, 50, access=("ann", "bob"))]
    assert merge(rows).passages == tuple(rows)


def test_one_parent_is_shown_once() -> None:
    rows = [piece(0, 10, context=TEXT[:60]), piece(30, 40, context=TEXT[:60])]
    found = merge(rows)
    assert [p.shown for p in found.passages] == [TEXT[:60]]
    assert found.sources == {"d#0:10": ("d#0:10", "d#30:40")}


LONG = "The bridge of a violin stands between the two sound holes and is held by the strings alone"


def test_near_equal_texts_are_shown_once_with_the_ids_of_both() -> None:
    found = merge([other("a", LONG), other("b", LONG.upper() + ".")])
    assert [p.id for p in found.passages] == ["a#0"]
    assert found.sources == {"a#0": ("a#0", "b#0")}


def test_texts_that_differ_in_a_number_or_a_negation_are_not_the_same() -> None:
    words = " ".join(f"word{c}" for c in "abcdefghijklmnopqrstuvwxyz" * 4)
    for one, two in (("3.11", "3.12"), ("now", "not")):
        rows = [other("a", f"{words} {one}"), other("b", f"{words} {two}")]
        assert len(merge(rows).passages) == 2
    assert len(merge([other("a", f"{words} now"), other("b", f"{words} then")]).passages) == 1


@given(st.lists(st.tuples(st.integers(0, 110), st.integers(1, 40)), max_size=8))
def test_every_character_shown_before_is_shown_after_once(spans: list[tuple[int, int]]) -> None:
    rows = [piece(a, min(a + n, 120)) for a, n in spans]
    found = merge(rows)
    before = {i for p in rows for i in range(p.start, p.end)}
    after = [i for p in found.passages for i in range(p.start, p.end)]
    texts = {p.text for p in found.passages}
    assert all(p.text == TEXT[p.start : p.end] for p in found.passages)
    assert len(texts) == len(found.passages)
    told = {i for p in found.passages for i in found.sources.get(p.id, (p.id,))}
    assert told == {p.id for p in rows}
    assert before >= set(after)
    missing = {TEXT[i] for i in before - set(after)}
    assert missing <= set("".join(texts))
