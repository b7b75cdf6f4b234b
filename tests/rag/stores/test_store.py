"""What every store must do: one suite for all of them, against plain lists of passages."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pyarrow as pa
import pytest
from stored_rows import (
    DIMENSION,
    by_id,
    contents,
    passages_of,
    sharing,
    some_slice,
    table,
    vectors_for,
)

from luthier.core.errors import StoreError
from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import ANYONE, Slice
from luthier.rag.stores.store import DIGEST, VECTOR, Change, PassageStore, rows_of, schema


def _open_to_all(document: str, text: str, places: int = 2) -> list[Passage]:
    return [
        Passage(f"{document}#{i}", document, "t", f"{text} part{i}", "f:1", i, i + 1)
        for i in range(places)
    ]


def _put(store: PassageStore, passages: list[Passage], *gone: str, digest: str = "1") -> int:
    return store.apply(Change(table(passages, digest) if passages else None, gone, "a change"))


def test_rows_have_the_columns_of_the_schema() -> None:
    passage = Passage("d#0", "d", "t", "text", "d.txt:1", 0, 4, meta={"a": "b"})
    vectors = np.eye(1, 4, dtype=np.float32)
    rows = rows_of([passage], {"d": "12"}, vectors)
    assert rows.schema.equals(schema(4))
    assert rows[DIGEST].to_pylist() == ["12"]
    assert rows[VECTOR].to_pylist() == [[1.0, 0.0, 0.0, 0.0]]
    assert rows_of([passage], {"d": "12"}).schema.equals(schema(0))
    assert rows_of([], {}).schema.equals(schema(0))


def test_an_empty_store_finds_nothing(store: PassageStore) -> None:
    asked = np.eye(2, DIMENSION, dtype=np.float32)
    assert (store.version(), store.versions(), store.dimension()) == (0, [], None)
    assert store.digests(0) == {}
    assert list(store.rows(0)) == []
    assert store.take(["a#0"], Slice(), 0) == {}
    assert store.match("oak", 5, Slice(), 0) == {}
    assert store.nearest(asked, 5, Slice(), 0) == [{}, {}]
    assert store.prune(1) == 0
    assert store.erase(["a"]) == 0
    store.optimize()
    assert store.health()["passages"] == 0
    with pytest.raises(StoreError, match="no version 1"):
        store.take(["a#0"], Slice(), 1)


def test_a_change_without_rows_is_a_version_too(store: PassageStore) -> None:
    assert store.apply(Change(gone=("nobody",))) == 1
    assert [v.passages for v in store.versions()] == [0]
    assert _put(store, _open_to_all("a", "oak")) == 2
    assert _put(store, [], "a") == 3
    assert contents(store, 3) == {}
    assert store.match("oak", 5, Slice(), 3) == {}
    again = store.restore(1)
    assert contents(store, again) == {}
    assert contents(store, store.restore(2)) == by_id(_open_to_all("a", "oak"))


def test_rows_come_back_as_they_were_put(store: PassageStore) -> None:
    chance = random.Random(1)
    passages = [p for i in range(30) for p in passages_of(f"doc{i}", chance)]
    passages.append(Passage("x#0", "x", "ti\ntle", "li\nne", "", 0, 0, access=(), meta={"": ""}))
    version = _put(store, passages)
    assert contents(store, version) == by_id(passages)
    rows = list(store.rows(version))
    ids = [one for batch in rows for one in batch["id"].to_pylist()]
    assert ids == sorted(p.id for p in passages)
    assert rows[0].schema.equals(schema(DIMENSION))
    there = np.stack([v for b in rows for v in b[VECTOR].to_numpy(zero_copy_only=False)])
    ordered = [by_id(passages)[one] for one in ids]
    assert np.array_equal(there, vectors_for(ordered))
    named = list(store.rows(version, ["title", "id"], ["doc3"]))
    assert named[0].schema.names == ["title", "id"]
    assert {one.partition("#")[0] for b in named for one in b["id"].to_pylist()} == {"doc3"}
    assert list(store.rows(version, ["id"], [])) == []
    assert store.digests(version) == {d: f"1-{d}" for d in {p.document_id for p in passages}}
    assert store.dimension() == DIMENSION


def test_a_changed_document_leaves_nothing_of_the_old_one(store: PassageStore) -> None:
    _put(store, _open_to_all("a", "oak", 3) + _open_to_all("b", "oak"))
    version = _put(store, _open_to_all("a", "elm", 1), "c", digest="2")
    assert sorted(contents(store, version)) == ["a#0", "b#0", "b#1"]
    assert set(store.match("oak", 9, Slice(), version)) == {"b#0", "b#1"}
    assert set(store.match("elm", 9, Slice(), version)) == {"a#0"}
    assert set(store.nearest(vectors_for(_open_to_all("q", "q")), 9, Slice(), version)[0]) == {
        "a#0", "b#0", "b#1",
    }  # fmt: skip
    assert store.digests(version) == {"a": "2-a", "b": "1-b"}
    version = _put(store, [], "b")
    assert sorted(contents(store, version)) == ["a#0"]
    assert store.match("oak", 9, Slice(), version) == {}


def test_scores_are_cosines_and_the_best_come_first(store: PassageStore) -> None:
    passages = _open_to_all("a", "oak", 40)
    version = _put(store, passages)
    vectors = vectors_for(passages)
    asked = vectors_for(_open_to_all("q", "q", 3))
    for line, found in zip(asked, store.nearest(asked, 7, Slice(), version), strict=True):
        wanted = sorted(((float(v @ line), p.id) for v, p in zip(vectors, passages, strict=True)))
        assert list(found) == [one for _, one in wanted[:-8:-1]]
        assert list(found.values()) == pytest.approx([s for s, _ in wanted[:-8:-1]], abs=1e-5)
    rare = _put(store, [*_open_to_all("b", "oak yew", 1), *_open_to_all("c", "elm", 5)])
    found = store.match("oak yew", 3, Slice(), rare)
    assert next(iter(found)) == "b#0"
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert len(found) == 3


@pytest.mark.parametrize(
    "query",
    ["", "  ", "?!", "oak'", 'oak "', "oak AND", "NOT oak", "oak*", "(oak", "oak:elm", "__"],
)
def test_a_query_is_words_and_no_language(store: PassageStore, query: str) -> None:
    version = _put(store, _open_to_all("a", "oak"))
    assert set(store.match(query, 5, Slice(), version)) <= {"a#0", "a#1"}
    assert bool(store.match(query, 5, Slice(), version)) == ("oak" in query)


def test_a_long_query_is_no_trouble(store: PassageStore) -> None:
    version = _put(store, _open_to_all("a", "oak"))
    assert store.match(" ".join(f"w{i}" for i in range(3000)), 5, Slice(), version) == {}
    assert store.match("oak " * 3000, 5, Slice(), version)


def test_slices_are_kept_to_in_every_leg(store: PassageStore) -> None:
    """Thousands of passages and viewers by chance: each answer is held against the rule."""
    chance = random.Random(7)
    documents = [f"doc{i}" for i in range(150)]
    passages = by_id(p for d in documents for p in passages_of(d, chance))
    first = _put(store, list(passages.values()))
    changed = [p for d in documents[:20] for p in passages_of(d, chance)]
    store.apply(Change(table(changed, "2"), tuple(documents[20:25])))
    store.optimize()
    now = {k: p for k, p in passages.items() if p.document_id not in documents[:25]}
    now |= by_id(changed)
    states = [(first, passages), (store.version(), now)]
    checks = nonempty = 0
    for turn in range(120):
        version, there = states[turn % 2]
        part = some_slice(chance, documents)
        seen = {one for one, p in there.items() if part.holds(p)}
        assert set(store.take(list(there), part, version)) == seen
        query = " ".join(chance.sample(["oak", "elm", "yew"], 2))
        assert set(store.match(query, 9999, part, version)) == sharing(there, query, part)
        asked = vectors_for([chance.choice(list(passages.values()))])
        assert set(store.nearest(asked, 9999, part, version)[0]) == seen
        few = store.nearest(asked, 5, part, version)[0]
        assert len(few) == min(5, len(seen))
        assert set(few) <= seen
        assert set(store.match(query, 3, part, version)) <= seen
        checks += 5 * len(there)
        nonempty += bool(seen)
    assert checks > 100_000
    assert 40 < nonempty < 120


def test_without_a_list_or_a_name_nobody_sees(store: PassageStore) -> None:
    closed = [dataclasses.replace(p, access=()) for p in _open_to_all("a", "oak")]
    odd = [dataclasses.replace(p, access=("",)) for p in _open_to_all("b", "oak")]
    version = _put(store, closed + odd + _open_to_all("c", "oak"))
    for who in (ANYONE, frozenset({"", EVERYONE}), frozenset({"root", "%", EVERYONE})):
        assert set(store.match("oak", 9, Slice(who), version)) == {"c#0", "c#1"}
        assert set(store.take(["a#0", "b#0", "c#0"], Slice(who), version)) == {"c#0"}
    for who in (frozenset(), frozenset({""}), frozenset({"ann"})):
        assert store.match("oak", 9, Slice(who), version) == {}
        assert store.take(["a#0", "b#0", "c#0"], Slice(who), version) == {}
        assert store.nearest(vectors_for(closed[:1]), 9, Slice(who), version) == [{}]


def _wrong() -> dict[str, pa.Table]:
    passages, one = _open_to_all("a", "elm"), np.eye(2, DIMENSION, dtype=np.float32)
    return {
        "dimension": rows_of(passages, {"a": "1"}, np.eye(2, DIMENSION + 1, dtype=np.float32)),
        "no vectors": rows_of(passages, {"a": "1"}),
        "twice": table([passages[0], passages[0]]),
        "not a number": rows_of(passages, {"a": "1"}, one * np.float32(np.nan)),
        "not of length 1": rows_of(passages, {"a": "1"}, one * 2),
        "a column is missing": table(passages).drop_columns(["access"]),
    }


@pytest.mark.parametrize("name", _wrong())
def test_wrong_rows_are_refused_and_nothing_changes(store: PassageStore, name: str) -> None:
    passages = _open_to_all("a", "oak")
    _put(store, passages)
    with pytest.raises(StoreError):
        store.apply(Change(_wrong()[name], ("a",)))
    assert [v.number for v in store.versions()] == [1]
    assert contents(store, 1) == by_id(passages)
    assert _put(store, _open_to_all("a", "elm")) == 2
    assert set(store.match("elm", 5, Slice(), 2)) == {"a#0", "a#1"}


def test_a_store_without_vectors_is_searched_by_words(store: PassageStore) -> None:
    passages = _open_to_all("a", "oak")
    version = store.apply(Change(rows_of(passages, {"a": "1"})))
    assert store.dimension() == 0
    assert set(store.match("oak", 5, Slice(), version)) == {"a#0", "a#1"}
    assert contents(store, version) == by_id(passages)
    with pytest.raises(StoreError, match="without vectors"):
        _put(store, passages)
    with pytest.raises(StoreError, match="no vectors"):
        store.nearest(np.eye(1, DIMENSION, dtype=np.float32), 5, Slice(), version)


def test_a_question_of_another_dimension_is_refused(store: PassageStore) -> None:
    version = _put(store, _open_to_all("a", "oak"))
    with pytest.raises(StoreError, match="9 numbers is searched among those of 8"):
        store.nearest(np.eye(1, DIMENSION + 1, dtype=np.float32), 5, Slice(), version)


def test_old_versions_stay_as_they_were(store: PassageStore) -> None:
    chance = random.Random(3)
    states: dict[int, dict[str, Passage]] = {}
    now: dict[str, Passage] = {}
    for turn in range(6):
        put = [p for i in chance.sample(range(8), 3) for p in passages_of(f"doc{i}", chance)]
        gone = [f"doc{i}" for i in chance.sample(range(8), 2)]
        named = {p.document_id for p in put} | set(gone)
        now = {k: p for k, p in now.items() if p.document_id not in named} | by_id(put)
        states[_put(store, put, *gone, digest=str(turn))] = dict(now)
    store.optimize()
    back = min(states)
    states[store.restore(back, "back")] = states[back]
    assert store.versions()[-1].note == "back"
    assert sorted(states) == [v.number for v in store.versions()]
    everyone = Slice()
    for version, there in states.items():
        assert contents(store, version) == there
        assert set(store.match("oak elm", 999, everyone, version)) == sharing(
            there, "oak elm", everyone
        )
    assert [v.passages for v in store.versions()] == [len(s) for s in states.values()]
    assert store.prune(2) == 5
    left = sorted(states)[-2:]
    assert [v.number for v in store.versions()] == left
    for version in left:
        assert contents(store, version) == states[version]
    with pytest.raises(StoreError, match=r"no version 1 .there are: 6, 7"):
        contents(store, 1)
    with pytest.raises(StoreError, match="no version 1"):
        store.restore(1)
    with pytest.raises(StoreError, match="at least one"):
        store.prune(0)


def test_many_small_changes_do_not_pile_up(store: PassageStore) -> None:
    for turn in range(30):
        _put(store, _open_to_all(f"doc{turn % 5}", f"oak w{turn}"))
    assert len(store.versions()) == 10  # as many as are kept
    assert set(store.match("w29", 5, Slice(), 30)) == {"doc4#0", "doc4#1"}
    assert len(contents(store, 30)) == 10
    store.optimize()
    store.prune(1)
    health = store.health()
    assert (health["versions"], health["passages"], health["changes"]) == (1, 10, 0)
    assert health["files"] < 120
    assert health["unindexed"] == 0
