"""What a row without a label must keep of its parent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from luthier.core.records import Example, Message
from luthier.data.augment._checks import Made
from luthier.data.augment._preserve import (
    ANSWER,
    LOST,
    QUESTION,
    SENTENCE,
    check_answers,
    kept_in,
    names_at_starts,
    spans_of,
)

FILES = (
    "He downloaded many files to his computer. He deleted useless ones after a while. "
    "How many valuable files was he left with?"
)


def _row(question: str, answer: str, label: str = "") -> Example:
    messages = (Message("user", question), Message("assistant", answer))
    return Example("r", messages, "f:1", "g", "row", side="train", label=label)


def _verdict(old: Example, new: str, encode: Any, kind: str = "words", least: float = 0.7) -> str:
    row = dataclasses.replace(old, id="m", messages=(Message("user", new), *old.messages[1:]))
    return check_answers([Made(row, old, 0, kind)], encode, least, ()).get("m", "")


def test_the_question_stays(encode: Any) -> None:
    row = _row(FILES, "400")
    facts = FILES.rpartition(". ")[0] + "."
    assert _verdict(row, facts, encode, "sentences") in (QUESTION, LOST)
    assert _verdict(row, FILES.replace("How many valuable", "How many many valuable"), encode) == ""
    assert _verdict(row, f"{facts} Who is there?", encode) == QUESTION
    assert _verdict(row, FILES[:-1] + ".", encode) == QUESTION


def test_sentences_keep_their_meaning(encode: Any) -> None:
    row = _row(FILES, "400")
    assert _verdict(row, FILES.replace("deleted useless", "erased useless"), encode) == ""
    other = FILES.replace("He deleted useless ones after a while", "Zebras run by")
    assert _verdict(row, other, encode) == SENTENCE
    less = FILES.replace("He deleted useless ones after a while. ", "")
    assert _verdict(row, less, encode) == LOST
    assert _verdict(row, less, encode, "sentences") == ""  # the user asked for it
    assert _verdict(row, f"{FILES} And a dog.", encode) == LOST


def test_another_order_is_no_change(encode: Callable[[Sequence[str]], Any]) -> None:
    def never(texts: Sequence[str]) -> Any:
        raise AssertionError(texts)

    row = _row("Ann has cows. Ben has goats. Who has more?", "Ben has.")
    assert _verdict(row, "Ben has goats. Ann has cows. Who has more?", never) == ""


def test_an_answer_that_stands_in_the_question_stays_there(encode: Any) -> None:
    row = _row("Denver met Carolina in the stadium. Where did they meet?", "the stadium")
    assert _verdict(row, row.question.replace("stadium", "arena"), encode, least=0.1) == ANSWER
    assert _verdict(row, row.question.replace("did they", "they did"), encode) == ""
    assert spans_of(row, {"so"}) == {"so", "the", "stadium", "carolina"}


def test_rows_with_a_label_pass(encode: Any) -> None:
    assert _verdict(_row(FILES, "files", "files"), "zzz", encode) == ""


def test_what_ties_facts_stays_in_rows_without_a_label() -> None:
    row = _row("each pays more", "5")
    assert {"each", "more", "so"} <= kept_in(row, {"so"})
    assert kept_in(dataclasses.replace(row, label="x"), {"so"}) == {"so"}


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["Betty is here. She ran"], {"betty"}),
        (["Order food", "an order"], set()),
        (["How is Sam?"], {"sam"}),
        ([], set()),
    ],
)
def test_names_at_the_start_of_sentences(texts: list[str], names: set[str]) -> None:
    assert names_at_starts(texts) == names
