"""The words that answer are of the kind that is asked for, and never the question's own."""

from __future__ import annotations

import pytest

from luthier.core.records import Passage
from luthier.rag.reading.spans import find, weights
from luthier.rag.reading.stretches import NAMES, candidates, stretch

TEXT = (
    "In 1884 Gustav Meinel and his son Oskar made the first cello of pear wood in Klingenthal. "
    'It was called "the Swan" by its owner.'
)
ROW = Passage("m#0", "m", "Meinel", TEXT, "m:1", 0, len(TEXT))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When did Gustav Meinel make the first cello?", "1884"),
        ("Where was the first cello of pear wood made?", "Klingenthal"),
        ("Who made the first cello with his son Oskar?", "Gustav Meinel"),
        ("What was it called by its owner?", "Swan"),
    ],
)
def test_the_words_that_answer(question: str, answer: str) -> None:
    rows = find(question, [ROW])
    best = stretch(question, rows, weights(question, [ROW]))
    assert best is not None
    assert answer in best.text
    assert len(best.text) <= len(answer) + 4
    assert best.found.text[best.start : best.end] == best.text


def test_nothing_but_the_questions_own_words_is_no_answer() -> None:
    small = Passage("s#0", "s", "s", "The first cello.", "s:1", 0, 16)
    assert stretch("The first cello?", find("The first cello?", [small]), {}) is None
    assert stretch("What?", [], {}) is None


def test_signs_stand_in_one_order() -> None:
    rows = find("When?", [ROW])
    assert all(len(c.signs) == len(NAMES) for c in candidates("When?", rows, {}))
