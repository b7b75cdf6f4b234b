"""Rare words of the question weigh more, and the kind that is asked for helps."""

from __future__ import annotations

from luthier.core.records import Passage
from luthier.rag._spans import find, stretch, weights

TEXT = (
    "The violin is old. The violin has a maple back. Makers met in Mittenwald. They agreed in 1884."
)
PASSAGE = Passage("v#0", "v", "Fiddles", TEXT, "v:1", 0, len(TEXT))


def test_rare_words_weigh_more() -> None:
    weight = weights("Is the violin of maple?", [PASSAGE])
    assert weight["mapl"] > weight["violin"] > 0


def test_the_sentence_before_and_the_kind_count_a_little() -> None:
    best = find("When did the makers in Mittenwald agree?", [PASSAGE])[0]
    assert best.text == "They agreed in 1884."
    assert best.kind
    assert 0 < best.holding < 1
    assert TEXT[slice(*stretch("When did the makers agree?", best))] == "1884"


def test_a_stretch_is_never_the_question_itself() -> None:
    best = find("Which old violin?", [PASSAGE])[0]
    start, end = stretch("The violin is old?", best)
    assert TEXT[start:end] == "The violin is old."
