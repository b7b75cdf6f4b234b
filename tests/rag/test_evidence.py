"""The best stretch of a passage, and why it does not bear a claim out."""

from __future__ import annotations

from luthier.core.records import Passage
from luthier.rag._evidence import evidence, stretches

TEXT = "Rome beat Carthage in 202 BC. The war had lasted long. It cost both sides dearly."
PLACES = stretches(Passage("a#0", "a", "Zama", TEXT, "a:1", 0, len(TEXT)))


def test_a_stretch_is_a_sentence_or_two_neighbours() -> None:
    assert [TEXT[p.start : p.end] for p in PLACES[:3]] == TEXT.replace(". ", ".\n").split("\n")
    assert TEXT[PLACES[4].start : PLACES[4].end] == TEXT[30:]


def test_the_order_of_words_counts() -> None:
    right = evidence("Rome beat the army of Carthage in that long war", PLACES)
    wrong = evidence("Carthage beat the army of Rome in that long war", PLACES)
    assert right.score > wrong.score > 0


def test_reasons_are_told() -> None:
    assert "205" in evidence("Rome beat Carthage in 205 BC at sea", PLACES).why
    assert "Hannibal" in evidence("The war that Hannibal fought had lasted long", PLACES).why
    assert "denies" in evidence("Rome never beat Carthage in the long war", PLACES).why
    assert evidence("of the", PLACES).why == "nothing to compare"
    assert evidence("Rome", []).score == 0


def test_the_title_belongs_to_each_sentence() -> None:
    assert evidence("At Zama the long war cost both sides dearly", PLACES).why == ""


def test_a_short_answer_must_stand_where_its_question_is_answered() -> None:
    assert evidence("202 BC", PLACES, "When did Rome beat Carthage?").score == 1
    assert evidence("both sides", PLACES, "When did Rome beat Carthage?").why
    assert evidence("Rome 202", PLACES, "When did Rome beat Carthage?").score == 0
