"""Questions are made ready as if what the viewer may not see were not there."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import Slice, seen, viewer
from luthier.rag.legs import Legs
from luthier.rag.queries.feedback import FeedbackSpec
from luthier.rag.queries.hypothetical import unit
from luthier.rag.queries.linear_map import Vectors
from luthier.rag.queries.spelling import Speller, SpellingSpec
from luthier.rag.queries.within import within
from luthier.rag.query import QuerySpec, Tools, process
from luthier.rag.stores.store import rows_of

PAIRS = ("merger member", "budget badger", "layoff layout", "secret sector", "pension tension")
WORDS = [word for pair in PAIRS for word in pair.split()]
GROUPS = ["ann", "bob", "sales", EVERYONE]


def _encode(texts: Sequence[str]) -> Vectors:
    rows = [np.random.default_rng(sum(map(ord, text))).normal(size=8) for text in texts]
    return unit(np.array(rows))


def _passages(draw: random.Random) -> list[Passage]:
    made = []
    for number in range(30):
        text = " ".join(draw.choices(WORDS, k=4))
        access = tuple(draw.sample(GROUPS, draw.randint(0, 2)))
        name = f"d{number}"
        made.append(Passage(f"{name}#0", name, "", text, "x:1", 0, len(text), access=access))
    return made


def _legs(passages: list[Passage]) -> Legs:
    digests = {p.document_id: p.id for p in passages}
    return Legs.of([rows_of(passages, digests, _encode([p.text for p in passages]))])


def _misspelt(draw: random.Random) -> str:
    word = draw.choice(WORDS)
    at = draw.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1 :]


@pytest.mark.parametrize("least", [1, 2])
def test_what_is_not_seen_changes_nothing(least: int) -> None:
    spec = QuerySpec(
        spelling=SpellingSpec(least_passages=least), feedback=FeedbackSpec(passages=3, beta=0.5)
    )
    compared = 0
    for seed in range(12):
        draw = random.Random(seed)
        passages = _passages(draw)
        who = viewer(draw.sample(GROUPS, draw.randint(0, 2)))
        part = Slice(who)
        whole, open_ = _legs(passages), _legs(seen(passages, who))
        every = dict.fromkeys(WORDS, 30)  # as if all stood in the index
        insider = within(whole, part, encode=_encode, speller=Speller(every, spec.spelling))
        outsider = within(
            open_, part, encode=_encode, speller=Speller(open_.vocabulary(part), spec.spelling)
        )
        for _ in range(10):
            question = f"{_misspelt(draw)} {_misspelt(draw)}"
            first, second = process(question, spec, insider), process(question, spec, outsider)
            assert first.changes == second.changes
            for own, other in zip(first.asks, second.asks, strict=True):
                assert own.text == other.text
                np.testing.assert_allclose(own.vector, other.vector, rtol=1e-5, atol=1e-6)
                compared += 1
    assert compared == 120


def test_a_viewer_of_nothing_gets_the_question_as_it_was() -> None:
    passages = _passages(random.Random(0))
    legs = _legs(passages)
    nowhere = Slice(viewer([]), documents=("none",))
    speller = Speller(legs.vocabulary(Slice(viewer(GROUPS))))
    tools = within(legs, nowhere, encode=_encode, speller=speller)
    spec = QuerySpec(spelling=SpellingSpec(), feedback=FeedbackSpec())
    done = process("mergr bugdet", spec, tools)
    assert done.asks[0].text == "mergr bugdet"
    np.testing.assert_array_equal(done.asks[0].vector, _encode(["mergr bugdet"])[0])


def test_a_form_that_the_search_finds_is_known() -> None:
    passage = Passage("d#0", "d", "", "the founders founded it", "x:1", 0, 23)
    legs = _legs([passage])
    tools = within(legs, Slice(), speller=Speller({"founded": 1}))
    assert process("founding", QuerySpec(spelling=SpellingSpec()), tools).changes == ()


def test_an_index_without_vectors_lends_no_vectors() -> None:
    passage = Passage("d#0", "d", "", "words only", "x:1", 0, 10)
    legs = Legs.of([rows_of([passage], {"d": "d"})])
    assert within(legs, Slice()).nearest is None
    assert isinstance(within(legs, Slice()), Tools)
