"""Worked examples as earlier turns."""

from collections.abc import Iterator
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.core.records import Example, Message
from luthier.evaluate.few_shot import FewShotAnswerer, choose_shots
from luthier.models.generate import Generate, Reply, Sampling

SYSTEM = Message("system", "Be brief.")
SHOT = Example("s", (SYSTEM, Message("user", "Q1"), Message("assistant", "A1")), "f:1", "g", "fact")
ASKED = (SYSTEM, Message("user", "Q2"))


def test_shots_stand_after_the_system_turn_and_before_the_question(fake: Any) -> None:
    inner = fake(lambda question: f"answer to {question}")
    few: Generate = FewShotAnswerer(inner, [SHOT])
    replies = few.generate([ASKED], Sampling())
    assert replies[0].text == "answer to Q2"
    wanted = (SYSTEM, Message("user", "Q1"), Message("assistant", "A1"), Message("user", "Q2"))
    assert inner.asked == [[wanted]]


def test_stream_and_score_see_the_shots_too(fake: Any) -> None:
    few = FewShotAnswerer(fake(lambda question: "x", nll=1.0), [SHOT])
    last = list(few.stream(ASKED, Sampling()))[-1]
    assert isinstance(last, Reply)
    assert last.prompt_tokens == 5
    assert few.score([ASKED], ["two words"])[0] is not None
    assert few.count_tokens("a b c") == 3
    assert few.context_length == 10_000


def test_a_prompt_that_no_longer_fits_is_reported(fake: Any) -> None:
    few = FewShotAnswerer(fake(lambda question: "x", fits=4), [SHOT])
    assert few.generate([ASKED], Sampling())[0].finish_reason == "context"


def test_kinds_take_turns_and_the_choice_is_stable(example: Any) -> None:
    rows = [
        example(f"{kind}{i}", "q", "a", kind=kind, side="train")
        for kind in ("fact", "form")
        for i in range(20)
    ]
    shots = choose_shots(rows, 4)
    assert [s.kind for s in shots] == ["fact", "form", "fact", "form"]
    assert choose_shots(rows[::-1], 4) == shots
    only_one_form = [r for r in rows if r.kind == "fact"] + [rows[-1]]
    assert [s.kind for s in choose_shots(only_one_form, 3)] == ["fact", "form", "fact"]


def test_test_rows_and_too_few_rows_are_refused(example: Any) -> None:
    with pytest.raises(DataError, match="test row"):
        choose_shots([example("t", "q", "a")], 1)
    with pytest.raises(DataError, match="needs 2 training rows"):
        choose_shots([example("t", "q", "a", side="train")], 2)


def test_tools_are_handed_on() -> None:
    seen: list[Any] = []

    class Inner:
        def generate(self, conversations: Any, sampling: Sampling, *, tools: Any = ()) -> list[Any]:
            seen.append(tools)
            return []

        def stream(self, conversation: Any, sampling: Sampling, tools: str = "") -> Iterator[Any]:
            seen.append(tools)
            yield from ()

        def score(self, conversations: Any, references: Any, *, tools: Any = ()) -> list[Any]:
            seen.append(tools)
            return []

    inner: Any = Inner()
    few = FewShotAnswerer(inner, ())
    few.generate([ASKED], Sampling(), tools=["[1]"])
    list(few.stream(ASKED, Sampling(), "[2]"))
    few.score([ASKED], ["x"], tools=["[3]"])
    assert seen == [["[1]"], "[2]", ["[3]"]]
