"""Each kind of item has its scores; what does not apply is absent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from luthier.core.records import Message
from luthier.evaluate.runs.rows import Row, from_rows
from luthier.evaluate.scoring import (
    choice_scores,
    figure,
    item_scores,
    picked,
    suite_scores,
    text_scores,
)
from luthier.evaluate.suite import Item, Kind
from luthier.models.generate import Reply

ASKED = (Message("user", "?"),)


def scored(
    kind: Kind, said: str, *references: str, options: tuple[str, ...] = ()
) -> dict[str, float]:
    item = Item("a", kind, ASKED, references, options)
    return item_scores(item, Reply(said, 1, 1, 0.1, "stop"))


def test_words_take_the_best_reference() -> None:
    assert scored("qa", "the Four", "six", "four") == {"exact_match": 1.0, "token_f1": 1.0}
    assert scored("conversation", "yes") == {}
    assert scored("classification", "Refund", "refund") == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("said", "right"), [("So it is $1,018.00.", 1.0), ("18 of 20", 0.0), ("none", 0.0)]
)
def test_a_number_is_the_last_one_said(said: str, right: float) -> None:
    assert scored("generation", said, "1018")["number_match"] == right
    assert "number_match" not in scored("generation", said, "a thousand")


@pytest.mark.parametrize(
    ("said", "option"),
    [("green", "green"), ("B", "green"), ("(b) because", "green"), ("Answer: A", "red"),
     ("It is red.", "red"), ("a red one", "red"), ("red or green", None), ("Z", None), ("", None)],
)  # fmt: skip
def test_an_option_is_named_by_letter_or_text(said: str, option: str | None) -> None:
    item = Item("a", "choice", ASKED, ("red",), ("red", "green"))
    assert picked(item, said) == option


def test_a_choice_by_likelihood() -> None:
    item = Item("a", "choice", ASKED, ("a longer one",), ("short", "a longer one"))
    told = choice_scores(item, [2.0, 3.0])
    assert (told["accuracy"], told["accuracy_per_byte"]) == (0.0, 1.0)
    assert math.isclose(told["choice_probability"], math.exp(-1) / (1 + math.exp(-1)))


def test_structured_answers() -> None:
    wanted = '{"a": 1, "b": "x"}'
    assert scored("structured", '{"b": "x", "a": 1}', wanted) == {
        "json_valid": 1.0, "json_match": 1.0, "field_accuracy": 1.0,
    }  # fmt: skip
    assert scored("structured", '{"b": "x"}', wanted)["field_accuracy"] == 0.5
    assert scored("structured", "oops", wanted) == {
        "json_valid": 0.0, "json_match": 0.0, "field_accuracy": 0.0,
    }  # fmt: skip


def row(text: str, nats: float, tokens: int) -> Row:
    return Row(
        text, "text", "", (), "", "", "", "", text, 0, 0, None, None, "", nats, tokens,
        (), (), (), "",
    )  # fmt: skip


def test_perplexity_is_over_all_tokens() -> None:
    rows = from_rows([row("ab", 2.0, 1), row("abcdef", 3.0, 4)], [{}, {}], {})
    told = suite_scores(rows)
    assert math.isclose(told["perplexity"].mean, math.exp(5 / 5))
    assert math.isclose(told["bits_per_byte"].mean, 5 / 8 / math.log(2))
    assert told["perplexity"].low <= math.e <= told["perplexity"].high
    item = Item("t", "text", references=("abcd",))
    assert text_scores(item, 8.0, 2) == {"nats_per_token": 4.0, "bits_per_byte": 2 / math.log(2)}


def test_a_figure_leaves_out_what_does_not_apply_and_is_never_of_no_width() -> None:
    nan = np.nan
    mixed = figure(np.array([1.0, nan, 0.0]), ["a", "b", "c"])
    assert (mixed.mean, mixed.n) == (0.5, 2)
    same = figure(np.ones(20), [str(n) for n in range(20)])
    assert (same.mean, same.n) == (1.0, 20)
    assert 0.8 < same.low < 1.0
