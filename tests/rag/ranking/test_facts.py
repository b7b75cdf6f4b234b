"""Passages looked up in a version that is searched in memory."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import Slice, viewer
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.rank import Question, RankSpec, rank
from luthier.rag.ranking.adaptive import Asked
from luthier.rag.ranking.facts import LegsFacts, asked_of, meaning_leg, words_leg
from luthier.rag.stores.store import rows_of

PASSAGES = [
    Passage("a#0", "a", "Apples", "red and round", "f", 0, 13),
    Passage("a#14", "a", "Apples", "they grow on trees", "f", 14, 32),
    Passage("b#0", "b", "Bees", "yellow and busy", "f", 0, 15, access=("ann",)),
]


def facts(*, vectors: bool = True) -> LegsFacts:
    near = np.eye(3, dtype=np.float32) if vectors else None
    table = rows_of(PASSAGES, {"a": "1", "b": "2"}, near)
    return LegsFacts(Legs.of([table], LegsSpec(stemmer="none")))


def test_only_what_the_slice_holds_is_seen() -> None:
    one = facts()
    keys = one.legs.places(["b#0", "a#0"])
    assert [p and p.id for p in one.look(keys, Slice())] == [None, "a#0"]
    assert [p and p.id for p in one.look(keys, Slice(viewer(["ann"])))] == ["b#0", "a#0"]
    assert one.titles(keys) == ["Bees", "Apples"]
    near = one.vectors(keys)
    assert near is not None
    assert near.argmax(axis=1).tolist() == [2, 0]
    assert facts(vectors=False).vectors(keys) is None


def test_a_document_is_found_by_its_best_passage_only_inside_the_slice() -> None:
    for one in (facts(), facts(vectors=False)):

        def of(document: str, question: str, part: Slice, one: LegsFacts = one) -> str | None:
            key = one.of_document(document, question, part)
            return None if key is None else one.legs.ids([key])[0]

        assert of("a", "what grows on trees", Slice()) == "a#14"
        assert of("a", "zebra", Slice()) in ("a#0", "a#14")
        assert (
            of("b", "busy", Slice()) is None
            or not one.look(np.array([one.of_document("b", "busy", Slice())]), Slice())[0]
        )
        assert of("b", "busy", Slice(viewer(["ann"]))) == "b#0"
        assert of("a", "trees", Slice(documents=("b",))) is None
        assert EVERYONE in PASSAGES[0].access


def test_legs_know_what_a_passage_could_reach() -> None:
    legs = facts().legs
    who = Slice(viewer(["ann"]))
    found = words_leg(legs, "yellow yellow bees zebra", 5, who)
    asked = asked_of(legs, "yellow yellow bees zebra")
    assert asked.df == (1, 1, 0)
    assert asked.count == 3
    assert asked.matched == 2 / 3
    assert asked.rarest == pytest.approx(1.0)
    assert found.bound == pytest.approx(2 * asked.idf[0] + asked.idf[1] + asked.idf[2])
    assert 0 < found.scores[0] < found.bound
    assert len(words_leg(legs, "yellow", 5, Slice()).keys) == 0
    assert asked_of(legs, "") == Asked()
    near = meaning_leg(legs, np.eye(3, dtype=np.float32)[2], 5, who)
    assert (near.keys[0], near.bound) == (legs.places(["b#0"])[0], 1.0)
    assert near.scores[0] == pytest.approx(1.0)


def test_no_score_is_above_the_bound() -> None:
    legs = facts().legs
    for k1, b in ((0.0, 0.0), (1.5, 0.75), (10.0, 1.0)):
        for query in ("red", "red round apples grow", "they they they grow"):
            hits = legs.lexical(query, 5, Slice(), k1=k1, b=b)
            assert hits.scores.max() <= words_leg(legs, query, 5, Slice()).bound + 1e-6


def test_legs_are_ranked_from_question_to_passages() -> None:
    one = facts()
    vector = np.eye(3, dtype=np.float32)[1]
    for who, expected in ((["ann"], {"a#0", "a#14", "b#0"}), ([], {"a#0", "a#14"})):
        part = Slice(viewer(who))
        legs = [
            words_leg(one.legs, "what grow on trees", 5, part),
            meaning_leg(one.legs, vector, 5, part),
        ]
        asked = asked_of(one.legs, "what grow on trees")
        found = rank(legs, Question("what grow on trees", part, asked), 5, RankSpec(), one)
        assert found.passages[0].passage.id == "a#14"
        assert {r.passage.id for r in found.passages} == expected
