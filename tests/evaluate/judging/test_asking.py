"""A judge is asked once, reminded once, and in both orders."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from gated_runs import rows
from suite_fakes import Told

from luthier.core.progress import Quiet
from luthier.core.store import Store
from luthier.evaluate.judge import JudgeSpec
from luthier.evaluate.judging.asking import Judgement, judged_pairs, judged_singly, question_of
from luthier.evaluate.judging.rubric import Rubric
from luthier.evaluate.runs.answerers import own
from luthier.evaluate.runs.rows import Row

RUBRIC = Rubric(criterion="Right?", levels=("no", "half", "yes"))


def answered(*replies: str) -> list[Row]:
    prompt = json.dumps([{"role": "system", "content": "S"}, {"role": "user", "content": "Q?"}])
    return [
        dataclasses.replace(row, reply=reply, prompt=prompt)
        for row, reply in zip(rows(len(replies)), replies, strict=True)
    ]


def singly(told: Told, folder: Path, *replies: str) -> list[Judgement]:
    by = own("judge", told, {"it": 1})
    return judged_singly(
        answered(*replies), RUBRIC, by, Store(folder), JudgeSpec(), seed=0, progress=Quiet()
    )


def by_words(prompt: str) -> str:
    """Says what the answer says; nothing, the first time, to what is doubtful."""
    reply = prompt.split("<answer>\n")[1].split("\n")[0]
    if reply == "doubtful":
        return "Score: 2" if "before this one" in prompt else "Well."
    return {"good": "Score: 3", "bad": "Score: 1"}.get(reply, "?")


def test_scores_retries_and_faults(tmp_path: Path) -> None:
    told = Told(by_words)
    found = singly(told, tmp_path, "good", "bad", "doubtful", "strange")
    assert [one.value for one in found] == [1.0, 0.0, 0.5, None]
    assert [one.label for one in found] == ["3", "1", "2", ""]
    assert [one.retried for one in found] == [False, False, True, True]
    assert [one.fault for one in found] == ["", "", "", "unparsable"]
    assert len(told.asked) == 6
    again = Told(by_words)
    assert singly(again, tmp_path, "good", "bad", "doubtful", "strange") == found
    assert again.asked == []


def pairs(told: Told, folder: Path, first: list[str], second: list[str]) -> list[Judgement]:
    return judged_pairs(
        list(zip(answered(*first), answered(*second), strict=True)), RUBRIC,
        own("judge", told, {}), Store(folder), JudgeSpec(), seed=0, progress=Quiet(),
    )  # fmt: skip


def longer(prompt: str) -> str:
    """Prefers the longer answer, and the first of two that are equally long."""
    a, b = (prompt.split(f"<answer_{x}>\n")[1].split("\n")[0] for x in "ab")
    return "Better: B" if len(b) > len(a) else "Better: A"


def test_both_orders_are_asked(tmp_path: Path) -> None:
    found = pairs(Told(longer), tmp_path, ["long one", "no", "same"], ["no", "long one", "four"])
    assert [one.value for one in found] == [1.0, 0.0, 0.5]
    assert [one.label for one in found] == ["first", "second", "tie"]
    assert [one.swapped_same for one in found] == [True, True, False]
    assert [one.first_place for one in found] == [0.5, 0.5, 1.0]
    (half,) = pairs(
        Told(lambda p: "Better: A" if "before this one" in p else "?"), tmp_path / "b", ["x"], ["y"]
    )
    assert (half.retried, half.value, half.fault) == (True, 0.5, "")
    (none,) = pairs(Told(lambda _: "?"), tmp_path / "c", ["x"], ["y"])
    assert (none.value, none.label, none.fault) == (None, "", "unparsable")


def test_a_judge_is_shown_the_turns_without_instructions() -> None:
    (row,) = answered("x")
    assert question_of(row) == "Q?"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
             {"role": "user", "content": "c"}]  # fmt: skip
    row = dataclasses.replace(row, prompt=json.dumps(turns))
    assert question_of(row) == "user: a\nassistant: b\nuser: c"
