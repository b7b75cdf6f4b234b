"""The best stretch of a passage, and why it does not bear a claim out."""

from __future__ import annotations

from luthier.core.records import Passage
from luthier.rag.reading.evidence import Evidence, evidence, short_evidence, stretches
from luthier.rag.reading.spans import find

TEXT = "Rome beat Carthage in 202 BC. The war had lasted long. It cost both sides dearly."
ROW = Passage("a#0", "a", "Zama", TEXT, "a:1", 0, len(TEXT))
PLACES = stretches(ROW)


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


def test_a_name_must_have_a_neighbour_beside_it() -> None:
    text = (
        "Ann Lee led the team from Oslo. Long before, in a far city of the south, Bob Ray retired."
    )
    places = stretches(Passage("b#0", "b", "Sport", text, "b:1", 0, len(text)))
    assert evidence("Ann Lee led the team from Oslo.", places).why == ""
    assert "Ray" in evidence("Ann Ray led the team from Oslo.", places).why


def test_a_number_is_not_used_twice() -> None:
    text = "The wage of Ann is 90 euros an hour, and that of Bob is 12 euros an hour."
    places = stretches(Passage("w#0", "w", "Wages", text, "w:1", 0, len(text)))
    wrong = "The wage of Ann is 90 euros an hour, and all of Bob is 90 (12 euros an hour)."
    assert "often" in evidence(wrong, places).why
    assert evidence(text, places).score == 1


def short(answer: str, question: str) -> Evidence:
    return short_evidence(answer, question, find(question, [ROW]), ROW)


def test_a_short_answer_must_stand_where_its_question_is_answered() -> None:
    question = "When did Rome beat Carthage?"
    assert short("202 BC", question) == Evidence(1.0, 0, 29)
    assert short("both sides", question).score == 0
    assert "together" in short("Rome 202", question).why
    assert "kind" in short("Carthage", question).why
    assert "something else" in short("the war", "What did Rome beat in 202 BC?").why
