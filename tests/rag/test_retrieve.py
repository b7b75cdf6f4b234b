"""From a question to passages, with every search inside the viewer's slice."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from luthier.core.records import EVERYONE, Message, Passage
from luthier.rag.access import Slice, may_see, viewer
from luthier.rag.legs import Legs
from luthier.rag.queries.feedback import FeedbackSpec
from luthier.rag.queries.fold import FoldRules
from luthier.rag.queries.spelling import SpellingSpec
from luthier.rag.queries.split import SplitRules
from luthier.rag.query import QuerySpec
from luthier.rag.rank import RankSpec
from luthier.rag.ranking.rules import Pin
from luthier.rag.retrieve import Means, question_of, retrieve
from luthier.rag.search.stored import AnyLegs, StoreLegs
from luthier.rag.search.terms import COLUMNS, Terms
from luthier.rag.spec import RagSpec
from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.store import Change, PassageStore, rows_of

WORDS = ["harbour", "ledger", "quartz", "meadow", "signal", "copper", "lantern", "orchard"]
NAMES = ["ann", "bob", "cy", "sales", "law", "board", EVERYONE]
EVERY_STEP = QuerySpec(
    simplify=True,
    spelling=SpellingSpec(),
    split=SplitRules(),
    fold=FoldRules(),
    feedback=FeedbackSpec(),
)


class Encoder:
    """Vectors from words: each word is a direction."""

    dimension, max_tokens, special_tokens, digest = 16, 100, 2, "fake"

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        raise AssertionError("nothing is cut here")

    def encode(self, texts: object, *_: object, **__: object) -> np.ndarray:
        made = np.full((len(list(texts)), 16), 0.01, np.float32)  # type: ignore[call-overload]
        for row, text in enumerate(texts):  # type: ignore[var-annotated,arg-type]
            for word in text.lower().split():
                made[row, hash_of(word) % 16] += 1.0
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def hash_of(word: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(word))


def passage(number: int, choice: random.Random) -> Passage:
    text = " ".join(choice.choices(WORDS, k=6))
    access = tuple(choice.sample(NAMES, choice.randrange(4)))
    return Passage(f"d{number}#0", f"d{number}", f"t{number}", text, "o", 0, len(text),
                   access=access, modified_s=float(number))  # fmt: skip


def means(
    rows: list[Passage], spec: RagSpec, store: PassageStore | None = None, **more: object
) -> Means:
    vectors = Encoder().encode([f"{p.title}\n{p.text}" for p in rows])
    made = rows_of(rows, {p.document_id: "x" for p in rows}, vectors)
    legs: AnyLegs
    if store is None:
        legs = Legs.of([made], spec.words)
    else:
        version = store.apply(Change(made))
        terms = Terms().changed(spec.words.stemmer, store.rows(version, COLUMNS))
        legs = StoreLegs(store, version, terms, spec.words)
    return Means(legs, spec, Encoder(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seed", "store"),
    [*((seed, "") for seed in range(4)), (4, "lance"), (5, "sqlite")],
)
def test_no_viewer_is_given_what_the_viewer_may_not_see(
    seed: int, store: str, tmp_path: Path
) -> None:
    """Thousands of questions by random viewers, through every step of query and ranking."""
    choice = random.Random(seed)
    rows = [passage(n, choice) for n in range(120)]
    first, second = (
        open_store(StoreSpec(backend=store), tmp_path / str(n)) if store else None for n in (1, 2)
    )
    pins = tuple(Pin(do="pin", name=f"p{n}", documents=(f"d{n}",)) for n in (3, 50, 77))
    ranking = RankSpec(diversity=0.3, half_life_days=10.0, rerank_top=10)
    plain = means(rows, RagSpec(), first, rules=pins)
    whole = means(
        rows,
        RagSpec(query=EVERY_STEP, ranking=ranking),
        second,
        rules=pins,
        score=lambda _, texts: [float(len(t)) for t in texts],
    )
    by_id = {p.id: p for p in rows}
    given = 0
    for _ in range(25 if store else 250):  # a store on the disk takes its time
        who = viewer(choice.sample(NAMES[:-1], choice.randrange(3)))
        part = Slice(who, since_s=choice.choice([0.0, 60.0]))
        question = " ".join(choice.choices(WORDS, k=3)) + choice.choice(["", " and lantenr"])
        for asked in (plain, whole):
            [found] = retrieve(asked, [question], 8, part)
            for one in found.passages:
                given += 1
                assert may_see(by_id[one.id].access, who)
                assert part.holds(one)
            told = " ".join([*found.why, *(c.what for c in found.changes)])
            hidden = {p.title for p in rows if not may_see(p.access, who)}
            assert not hidden & set(told.split())
    assert given > (200 if store else 2000)


def test_many_questions_are_answered_as_one_by_one() -> None:
    choice = random.Random(1)
    asked = means([passage(n, choice) for n in range(40)], RagSpec(query=EVERY_STEP))
    questions = ["harbour ledger", "", "copper and quartz"]
    together = retrieve(asked, questions, 5, Slice())
    alone = [retrieve(asked, [one], 5, Slice())[0] for one in questions]
    assert [[p.id for p in f.passages] for f in together] == [
        [p.id for p in f.passages] for f in alone
    ]
    assert together[1].passages == ()


def test_the_question_of_a_conversation_stands_alone() -> None:
    choice = random.Random(2)
    asked = means([passage(n, choice) for n in range(10)], RagSpec(query=EVERY_STEP))
    turns = [
        Message("user", "Who keeps the harbour ledger?"),
        Message("assistant", "The clerk."),
        Message("user", "Where is it?"),
    ]
    assert "ledger" in question_of(asked, turns)
    assert question_of(asked, []) == ""
