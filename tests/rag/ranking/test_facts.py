"""Passages looked up in a version that is searched in memory."""

from __future__ import annotations

import numpy as np

from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import Slice, viewer
from luthier.rag.legs import Legs, LegsSpec
from luthier.rag.ranking.facts import LegsFacts
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
