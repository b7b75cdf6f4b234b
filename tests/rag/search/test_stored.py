"""A store searched itself answers as a search in memory does, and never out of a slice."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from stored_rows import DIMENSION, NAMES, passages_of, table, vectors_for

from luthier.core.errors import ConfigError, StoreError
from luthier.core.records import Passage
from luthier.rag.access import Slice, viewer
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.ranking.facts import words_leg
from luthier.rag.search.stored import StoreLegs, open_stored, terms_file, vectors_found
from luthier.rag.search.terms import COLUMNS, Terms
from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.store import Change, PassageStore

SPEC = LegsSpec()


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    chance = random.Random(3)
    return [p for n in range(60) for p in passages_of(f"d{n}", chance)]


@pytest.fixture(scope="module")
def memory(passages: list[Passage]) -> Legs:
    return Legs.of([table(passages)], SPEC)


@pytest.fixture(scope="module", params=["lance", "sqlite"])
def store(
    request: pytest.FixtureRequest,
    passages: list[Passage],
    tmp_path_factory: pytest.TempPathFactory,
) -> PassageStore:
    made = open_store(StoreSpec(backend=request.param), tmp_path_factory.mktemp("store"))
    made.apply(Change(table(passages)))
    return made


@pytest.fixture(scope="module")
def legs(store: PassageStore) -> StoreLegs:
    return StoreLegs(store, 1, Terms().changed("english", store.rows(1, COLUMNS)), SPEC)


def parts() -> list[Slice]:
    chance = random.Random(5)
    made = [Slice(), Slice(frozenset()), Slice(viewer(["nobody"]), {"lang": ()})]
    for _ in range(6):
        where = {"lang": ("en", "de")} if chance.random() < 0.5 else {}
        made.append(Slice(viewer(chance.sample(NAMES, 3)), where))
    return made


def test_both_find_the_same(legs: StoreLegs, memory: Legs, passages: list[Passage]) -> None:
    by_id = {p.id: p for p in passages}
    asked = vectors_for(passages[:3], seed=9)
    found = 0
    assert (legs.count, legs.dimension) == (memory.count, memory.dimension)
    for part in parts():
        for query in ("oak and elm", "Hazel? title", {"fir": 2.0, "yew": 0.0}, "", "zzz"):
            hits = legs.lexical(query, 500, part)
            own = memory.lexical(query, 500, part)
            assert set(hits.rows.tolist()) == set(memory.ids(own.rows))
            assert list(hits.scores) == sorted(hits.scores, reverse=True)
            found += len(hits)
            assert legs.terms(query) == memory.terms(query)
        for vector in asked:
            hits, own = legs.dense(3.0 * vector, 7, part), memory.dense(vector, 7, part)
            assert legs.ids(hits.rows) == memory.ids(own.rows)
            assert np.allclose(hits.scores, own.scores, atol=1e-5)
            held = vectors_found(legs, hits.rows, part)
            assert np.allclose(held, memory.vectors(own.rows), atol=1e-6)
            assert all(part.holds(by_id[one]) for one in hits.rows)
        assert legs.size(part) == memory.size(part)
    assert found > 100


def test_scores_keep_below_what_a_passage_could_reach(legs: StoreLegs) -> None:
    for query in ("oak", "oak elm hazel", "title ash"):
        leg = words_leg(legs, query, 50, Slice(viewer(NAMES)))
        assert 0 < leg.scores.max() <= leg.bound


def test_what_a_slice_lacks_is_not_looked_up(legs: StoreLegs, passages: list[Passage]) -> None:
    every = [p.id for p in passages]
    for part in parts():
        assert legs.passages(every, part) == [p for p in passages if part.holds(p)]
        held = legs.vectors(every, part).any(axis=1)
        assert held.tolist() == [part.holds(p) for p in passages]
    assert legs.vocabulary() == legs.vocabulary(Slice())
    assert legs.vocabulary(Slice(viewer([NAMES[0]]))) == {}
    assert sum(t.num_rows for t in legs.tables()) == len(passages)


def test_nothing_is_found_for_no_vector(legs: StoreLegs) -> None:
    nan = np.full(DIMENSION, np.nan, np.float32)
    assert len(legs.dense(nan, 5, Slice())) == len(legs.dense(nan, 0, Slice())) == 0
    with pytest.raises(StoreError):
        legs.dense(np.ones(DIMENSION + 1, np.float32), 5, Slice())


def test_a_reader_goes_on_when_an_erasure_takes_its_version(tmp_path: Path) -> None:
    one = Passage("a#0", "a", "", "oak", "o", 0, 3, access=("everyone",))
    other = Passage("b#0", "b", "", "oak", "o", 0, 3, access=("everyone",))
    store = open_store(StoreSpec(), tmp_path / "store")
    store.apply(Change(table([one, other])))
    Terms().changed("english", store.rows(1, COLUMNS)).write(terms_file(tmp_path, 1, SPEC))
    legs = open_stored(tmp_path, store, 1, SPEC)
    assert set(legs.lexical("oak", 5, Slice()).rows) == {"a#0", "b#0"}
    store.erase(["a"])
    assert legs.lexical("oak", 5, Slice()).rows.tolist() == ["b#0"]
    assert legs.passages(["a#0", "b#0"], Slice())[0].id == "b#0"


def test_what_a_store_cannot_do_is_refused(tmp_path: Path) -> None:
    store = open_store(StoreSpec(), tmp_path / "store")
    with pytest.raises(ConfigError, match="BM25"):
        StoreLegs(store, 1, Terms(), LegsSpec(weighting="tfidf"))
    with pytest.raises(StoreError, match="damaged index"):
        open_stored(tmp_path, store, 1, SPEC)
