"""What a made row must pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.core.records import Example, Message
from luthier.data.augment._checks import (
    CONTENT,
    ENOUGH,
    LABEL,
    OVER,
    REPEATED,
    SAME,
    UNLIKE,
    Made,
    by_model,
    by_neighbours,
    check_content,
    check_counts,
    check_meaning,
    check_new,
)


def _made(parent: Example, text: str, number: int = 0, kind: str = "words") -> Made:
    messages = (Message("user", text), *parent.messages[1:])
    row = dataclasses.replace(
        parent, id=f"{parent.id}~{number}", messages=messages, parent=parent.id
    )
    return Made(row, parent, 0, kind)


def _bank(rows: Sequence[Example]) -> Example:
    return rows[0]


def test_content() -> None:
    messages = (Message("user", "send 5 to `X`"), Message("assistant", "a"))
    parent = Example("p", messages, "f", "g", "row")
    texts = ["please send 5 to `X`", "send 6 to `X`", "Send 5 to `X`!", "pay 5 to `X`"]
    made = [_made(parent, text, n) for n, text in enumerate(texts)]
    assert check_content(made, lambda row: ()) == {"p~1": CONTENT, "p~2": SAME}
    assert check_content(made, lambda row: {"send"}) == {
        "p~1": CONTENT, "p~2": CONTENT, "p~3": CONTENT,
    }  # fmt: skip


def test_meaning(rows: list[Example], encode: Any, classify: Any) -> None:
    made = [
        _made(_bank(rows), "please send the money to my account", 0),
        _made(_bank(rows), "zzz", 1),
        _made(_bank(rows), "please send the song to my singer", 2),
        _made(_bank(rows), "please send the songs to my savings accounts", 3, "adversarial"),
    ]
    asked = []

    def near(some: Sequence[Made], vectors: Any) -> list[str]:
        asked.append([one.row.id for one in some])
        assert len(vectors) == len(some)
        return ["music" for _ in some]

    found = check_meaning(made, encode, 0.3, by_model(classify), near)
    assert found == {"bank-0~1": UNLIKE, "bank-0~2": LABEL, "bank-0~3": LABEL}
    assert asked == [["bank-0~3"]]
    assert check_meaning([], encode, 0.3, near, near) == {}


def test_rows_without_a_label_need_no_judge(rows: list[Example], encode: Any) -> None:
    plain = dataclasses.replace(_bank(rows), label="")

    def never(some: Sequence[Made], vectors: Any) -> list[str]:
        raise AssertionError(some)

    assert check_meaning([_made(plain, plain.question)], encode, 0.9, never, never) == {}


def test_a_vector_that_is_no_number_is_refused(rows: list[Example]) -> None:
    def broken(texts: Sequence[str]) -> Any:
        return np.full((len(texts), 2), np.nan, np.float32)

    found = check_meaning([_made(_bank(rows), "x y")], broken, -1.0, by_model(_no), by_model(_no))
    assert list(found.values()) == [UNLIKE]


def _no(texts: Sequence[str]) -> Any:
    raise AssertionError(texts)


_no.labels = ()  # type: ignore[attr-defined]


def test_neighbours_judge(rows: list[Example], encode: Any) -> None:
    training = [r for r in rows if r.side == "train"]
    judge = by_neighbours(training, encode([r.question for r in training]), 3)
    made = [_made(_bank(rows), "send money to checking"), _made(_bank(rows), "play this tune")]
    assert judge(made, encode([one.row.question for one in made])) == ["bank", "music"]


def test_repeats_of_rows_and_of_each_other(rows: list[Example]) -> None:
    made = [_made(_bank(rows), text, n) for n, text in enumerate([
        "Transfer ALL the money, from savings to checking", "is the bank open on the holidays",
        "a new one", "A new one!",
    ])]  # fmt: skip
    assert check_new(made, rows) == {
        "bank-0~0": REPEATED, "bank-0~1": REPEATED, "bank-0~3": REPEATED,
    }  # fmt: skip


def test_counts(rows: list[Example]) -> None:
    training = [r for r in rows if r.side == "train"]
    made = [_made(_bank(rows), f"text {n}", n) for n in range(4)]
    assert check_counts(made, training, 5, None) == {"bank-0~2": ENOUGH, "bank-0~3": ENOUGH}
    assert check_counts(made, training, 6, 1) == {
        "bank-0~1": OVER, "bank-0~2": OVER, "bank-0~3": OVER,
    }  # fmt: skip
    assert check_counts(made, training, None, None) == {}
