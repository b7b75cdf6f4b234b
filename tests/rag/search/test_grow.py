"""Segments are cut, dropped and merged by the rule, and no row is lost or doubled by it."""

from __future__ import annotations

import random

import pytest
from stored_rows import passages_of, table

from luthier.core.errors import StoreError
from luthier.rag.search import grow as module
from luthier.rag.search.grow import MOST_SEGMENTS, grown, tidied
from luthier.rag.search.living import Living
from luthier.rag.stores.store import VECTOR

CHANCE = random.Random(9)
DOCUMENTS = [passages_of(f"doc{i:03d}", CHANCE) for i in range(120)]


def living(first: int, last: int) -> Living:
    (one,) = grown([table([p for d in DOCUMENTS[first:last] for p in d])], "none")
    return one


def ids(segments: list[Living]) -> list[str]:
    return sorted(i for one in segments for i in one.table()["id"].to_pylist())


def test_many_rows_make_several_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 50)
    rows = table([p for d in DOCUMENTS for p in d])
    made = list(grown([*rows.to_batches(64), rows.slice(0, 0)], "none"))
    assert all(0 < one.count <= 50 for one in made)
    assert len(made) >= rows.num_rows / 50
    assert ids(made) == sorted(rows["id"].to_pylist())
    assert list(grown([rows.slice(0, 0)], "none")) == []


def test_few_small_segments_stay_and_many_become_few() -> None:
    few = [living(i, i + 1) for i in range(MOST_SEGMENTS)]
    assert tidied(few, "none") == few
    many = [living(20, 120), *few, living(10, 11)]
    made = tidied(many, "none")
    assert made[0] is many[0]  # the large one is left alone
    assert len(made) < len(many)
    assert ids(made) == ids(many)


def test_updates_leave_few_segments_and_rewrite_each_row_a_few_times() -> None:
    held: list[Living] = [living(0, 60)]
    written = 0
    for i in range(60, 120):
        before = {one.segment.name for one in held}
        held = tidied([*held, living(i, i + 1)], "none")
        written += sum(one.count for one in held if one.segment.name not in before)
        assert len(held) <= MOST_SEGMENTS + 1
    assert written < 4 * sum(len(d) for d in DOCUMENTS[60:])
    assert ids(held) == sorted(p.id for d in DOCUMENTS for p in d)


def test_what_is_mostly_dead_is_written_anew_and_what_is_dead_is_dropped() -> None:
    whole = living(0, 40)
    names = [f"doc{i:03d}" for i in range(40)]
    little, much = whole.without(names[:4]), whole.without(names[:20])
    assert tidied([little], "none") == [little]
    (made,) = tidied([much], "none")
    assert len(made.dead) == 0
    assert ids([made]) == ids([much])
    assert tidied([whole.without(names)], "none") == []


def test_vectors_of_two_lengths_are_refused() -> None:
    rows = table(DOCUMENTS[0])
    with pytest.raises(StoreError, match="vectors of 0 numbers beside vectors of 8"):
        list(grown([rows, rows.drop_columns([VECTOR])], "none"))
    with pytest.raises(StoreError, match="8 numbers beside vectors of 384"):
        list(grown([rows], "none", 384))
