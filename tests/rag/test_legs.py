"""An index grown by changes answers as one made anew, and nobody finds what is not theirs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from searching import BOTH, passage, switched
from stored_rows import (
    DIMENSION,
    WORDS,
    by_id,
    passages_of,
    sharing,
    some_slice,
    table,
    vectors_for,
)

from luthier.core.errors import StoreError
from luthier.core.records import Passage
from luthier.rag.access import Slice
from luthier.rag.legs import Hits, Legs, LegsSpec
from luthier.rag.search import dense as dense_module, grow
from luthier.rag.stores.store import rows_of

PLAIN = LegsSpec(stemmer="none")
EVERYWHERE = Slice()


@pytest.fixture(params=BOTH)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from switched(request.param, monkeypatch)


def found(legs: Legs, hits: Hits) -> list[tuple[str, float]]:
    return list(zip(legs.ids(hits.rows), hits.scores.tolist(), strict=True))


def legs_of(*texts: str, spec: LegsSpec = PLAIN) -> Legs:
    passages = [passage(f"p{i}", text) for i, text in enumerate(texts)]
    return Legs.of([rows_of(passages, {p.id: "" for p in passages})], spec)


def same(one: Legs, other: Legs, chance: random.Random, documents: list[str]) -> None:
    """Both answer the same to some questions."""
    for _ in range(6):
        part = some_slice(chance, documents)
        query = " ".join(chance.choices(WORDS, k=3))
        for how in ("bm25", "tfidf"):
            a = found(one, one.lexical(query, 7, part, weighting=how))
            b = found(other, other.lexical(query, 7, part, weighting=how))
            assert [i for i, _ in a] == [i for i, _ in b]
            assert [s for _, s in a] == pytest.approx([s for _, s in b], abs=1e-4)
        vector = np.random.default_rng(chance.randrange(99)).standard_normal(DIMENSION)
        if one.count and other.count:
            a = found(one, one.dense(vector.astype(np.float32), 7, part))
            b = found(other, other.dense(vector.astype(np.float32), 7, part))
            assert [i for i, _ in a] == [i for i, _ in b]
            assert [s for _, s in a] == pytest.approx([s for _, s in b], abs=1e-4)


@pytest.mark.usefixtures("kernels")
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6))
def test_changes_answer_as_an_index_made_anew(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"doc{i:02d}" for i in range(25)]
    now = {name: passages_of(name, chance) for name in chance.sample(names, 12)}
    legs = Legs.of([table([p for d in now.values() for p in d])], PLAIN)
    for _ in range(chance.randint(1, 12)):
        put = {n: passages_of(n, chance) for n in chance.sample(names, chance.randint(0, 3))}
        gone = chance.sample(names, chance.randint(0, 3))
        gone = [name for name in gone if name not in put]
        legs = legs.updated(table([p for d in put.values() for p in d]) if put else None, gone)
        now = {n: d for n, d in {**now, **put}.items() if n not in gone}
    passages = [p for d in now.values() for p in d]
    anew = Legs.of([table(passages)] if passages else [], PLAIN)
    assert legs.count == anew.count == len(passages)
    same(legs, anew, chance, names)
    assert legs.vocabulary(Slice(frozenset(["user1"]))) == anew.vocabulary(
        Slice(frozenset(["user1"]))
    )


@pytest.mark.usefixtures("kernels")
def test_nobody_finds_what_is_not_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grow, "MOST_ROWS", 40)
    monkeypatch.setattr(dense_module, "EXACT_ROWS", 10)
    chance = random.Random(3)
    names = [f"doc{i:02d}" for i in range(50)]
    passages = by_id(p for name in names for p in passages_of(name, chance))
    legs = Legs.of([table(list(passages.values()))], PLAIN)
    assert len(legs.segments) > 2
    vectors = vectors_for(list(passages.values()))
    for seed in range(60):
        part = some_slice(random.Random(seed), names)
        theirs = {one for one, p in passages.items() if part.holds(p)}
        assert legs.size(part) == len(theirs)
        query = " ".join(random.Random(seed).choices(WORDS, k=2))
        words = legs.lexical(query, 1000, part)
        assert set(legs.ids(words.rows)) == sharing(passages, query, part)
        near = legs.dense(vectors[seed % len(vectors)], 1000, part)
        assert set(legs.ids(near.rows)) == theirs
        assert [p.id for p in legs.passages(near.rows, part)] == legs.ids(near.rows)
        every = range(sum(rows for rows, _ in legs.segments))
        assert {p.id for p in legs.passages(every, part)} == theirs
        said = {
            w for i in theirs for w in f"{passages[i].title} {passages[i].text}".lower().split()
        }
        assert {w for w in legs.vocabulary(part) if w in WORDS} == said & set(WORDS)


def test_passages_come_back_whole_and_in_order() -> None:
    chance = random.Random(1)
    passages = [p for i in range(9) for p in passages_of(f"doc{i}", chance)]
    everybody = Slice(frozenset({name for p in passages for name in p.access}))
    first = [p for p in passages if p.document_id < "doc5"]
    legs = Legs.of([table(first)], PLAIN).updated(table(passages[len(first) :]))
    rows = legs.places([p.id for p in passages])
    expected = [p for p in passages if p.access]
    assert legs.passages(rows, everybody) == expected
    assert legs.passages(rows[::-1], everybody) == expected[::-1]
    assert legs.titles(rows) == [p.title for p in passages]
    assert legs.ids(rows) == [p.id for p in passages]
    assert legs.vectors(rows) == pytest.approx(vectors_for(passages), abs=1e-6)
    assert legs.places(["unknown", passages[3].id]).tolist() == [-1, rows[3]]
    assert legs.passages(rows, Slice(frozenset())) == []
    with pytest.raises(IndexError):
        legs.ids([10_000])
    with pytest.raises(IndexError):
        legs.passages([-1], everybody)


def test_a_removed_passage_is_not_handed_out_by_its_row() -> None:
    legs = legs_of("oak elm", "ash", "fir", "yew", "oak")
    after = legs.updated(None, ["p0"])
    assert [p.id for p in legs.passages([0, 1], EVERYWHERE)] == ["p0", "p1"]
    assert [p.id for p in after.passages([0, 1], EVERYWHERE)] == ["p1"]
    assert after.places(["p0"]).tolist() == [-1]
    assert after.ids(after.lexical("oak", 9, EVERYWHERE).rows) == ["p4"]
    assert legs.ids(legs.lexical("oak", 9, EVERYWHERE).rows) == ["p4", "p0"]


def test_words_weigh_as_asked() -> None:
    legs = legs_of("oak", "elm", "oak elm ash", "fir")
    ids = lambda query, **how: legs.ids(legs.lexical(query, 9, EVERYWHERE, **how).rows)  # noqa: E731
    assert ids("OAK!") == ids(["oak"]) == ids({"Oak": 2.0}) == ["p0", "p2"]
    assert ids({"oak": 1.0, "elm": 3.0}, b=0.0)[:2] == ["p2", "p1"]
    assert ids({"oak": 1.0, "elm": 0.0}) == ids("oak")
    assert ids("ash fir ash", b=0.0)[0] == "p2"  # a word that is asked for twice
    assert ids("") == ids("unknown") == ids([]) == ids("?!") == []
    once = legs.lexical("elm oak", 9, EVERYWHERE, k1=0.0)
    assert once.scores[0] == pytest.approx(once.scores[1] * 2)
    cosine = legs.lexical("oak elm ash", 1, EVERYWHERE, weighting="tfidf")
    assert (legs.ids(cosine.rows), cosine.scores.tolist()) == (["p2"], [pytest.approx(1.0)])


def test_stems_are_found_and_the_vocabulary_is_of_words() -> None:
    pytest.importorskip("Stemmer")
    legs = legs_of("The cats were running", "A cat runs", spec=LegsSpec())
    assert legs.ids(legs.lexical("Run cat!", 9, EVERYWHERE).rows) == ["p1", "p0"]
    assert legs.vocabulary()["cats"] == 1
    assert "runn" not in legs.vocabulary()
    assert legs.vocabulary(Slice(frozenset(["nobody"]))) == {}


def test_equal_scores_stand_in_the_order_of_ids_over_segments() -> None:
    passages = [passage(f"p{i}", "oak") for i in (5, 1, 8, 3, 7, 2)]
    one, *others = [rows_of([p], {p.id: ""}) for p in passages]
    legs = Legs.of([one], PLAIN)
    for other in others:
        legs = legs.updated(other)
    assert len(legs.segments) == 6
    assert legs.ids(legs.lexical("oak", 4, EVERYWHERE).rows) == ["p1", "p2", "p3", "p5"]


def test_an_index_without_passages_or_vectors_says_so() -> None:
    empty = Legs.of([], PLAIN)
    assert (
        len(empty.lexical("oak", 5, EVERYWHERE)) == len(empty.dense(np.ones(3), 5, EVERYWHERE)) == 0
    )
    assert empty.passages([], EVERYWHERE) == []
    assert empty.vocabulary() == {}
    assert empty.dimension == 0
    legs = legs_of("oak")
    with pytest.raises(StoreError, match="shape"):
        legs.dense(np.ones(3, np.float32), 5, EVERYWHERE)
    whole = Legs.of([table(passages_of("doc", random.Random(1)))], PLAIN)
    with pytest.raises(StoreError, match=r"\(9,\)"):
        whole.dense(np.ones(9, np.float32), 5, EVERYWHERE)
    with pytest.raises(StoreError, match="vectors of 0 numbers beside vectors of 8"):
        whole.updated(rows_of([passage("x", "oak")], {"x": ""}))
    broken = np.full(DIMENSION, np.nan, np.float32)
    assert len(whole.dense(broken, 5, EVERYWHERE)) == 0


def test_settings_are_read(tmp_path: Path) -> None:
    texts = ("oak oak oak elm elm elm elm", "oak")
    loose = legs_of(*texts, spec=LegsSpec(stemmer="none", b=0.0))
    strict = legs_of(*texts, spec=LegsSpec(stemmer="none", b=1.0, k1=1.2))
    assert loose.ids(loose.lexical("oak", 2, EVERYWHERE).rows) == ["p0", "p1"]
    assert strict.ids(strict.lexical("oak", 2, EVERYWHERE).rows) == ["p1", "p0"]
    cosine = legs_of(*texts, spec=LegsSpec(stemmer="none", weighting="tfidf"))
    assert cosine.lexical("oak", 1, EVERYWHERE).scores[0] == pytest.approx(1.0)
    loose.save(tmp_path, 1)
    assert Legs.open(tmp_path, 1).spec.stemmer == "none"
    assert isinstance(loose.passages([0], EVERYWHERE)[0], Passage)
