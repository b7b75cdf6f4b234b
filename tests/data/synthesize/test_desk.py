"""The desk keeps the books: every item begun ends as a draft or as a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import Scripted, row

from luthier.core.ledger import Ledger
from luthier.data.synthesize.desk import MOST_NAMED, UNREADABLE, Ask, Desk, not_again
from luthier.data.synthesize.journal import CallJournal
from luthier.data.synthesize.writer import FAILED, SPENT, BudgetSpec, Writer
from luthier.models.generate import Sampling
from luthier.models.remote import NoAnswerError


class Steps:
    """A bar that counts."""

    def __init__(self) -> None:
        self.done = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps


def desk(folder: Path, says: Callable[[str], str], calls: int = 100, judged: bool = False) -> Desk:
    writer = Writer(Scripted(says), BudgetSpec(max_calls=calls), CallJournal(folder / "c.jsonl"))
    return Desk(writer, Sampling(), 0, Ledger(), name="few-shot 1", judged=judged, task=Steps())


ASKS = [Ask(f"{n}", f"prompt {n}", f"f:{n}") for n in range(4)]


def test_a_call_that_failed_is_a_line_and_one_never_made_is_none(tmp_path: Path) -> None:
    def says(prompt: str) -> str:
        if prompt == "prompt 1":
            raise NoAnswerError("garbage")
        return prompt.upper()

    at = desk(tmp_path, says, calls=3)
    assert at.ask(ASKS) == ["PROMPT 0", None, "PROMPT 2", None]
    assert at.begun == 3
    assert [(e.reason, e.origin, e.detail) for e in at.ledger.entries] == [
        (FAILED, "f:1", "garbage")
    ]


def test_an_item_that_the_budget_cuts_off_is_a_line(tmp_path: Path) -> None:
    at = desk(tmp_path, str.upper, calls=1)
    assert at.ask(ASKS[:2], begun=True) == ["PROMPT 0", None]
    assert (at.begun, at.ledger.reasons()) == (0, {SPENT: 1})


@pytest.mark.parametrize(("judged", "after", "asked"), [(False, 0, 4), (True, 0, 3), (True, 1, 2)])
def test_calls_to_come_are_held_back(judged: bool, after: int, asked: int, tmp_path: Path) -> None:
    at = desk(tmp_path, str.upper, calls=6, judged=judged)
    assert sum(a is not None for a in at.ask(ASKS, after=after)) == asked


def test_seeds_follow_from_seed_method_and_place(tmp_path: Path) -> None:
    def numbers(seed: int, name: str, sampling: int = 0) -> list[int]:
        model = Scripted(str.upper)
        journal = CallJournal(tmp_path / f"{seed} {name} {sampling}")
        writer = Writer(model, BudgetSpec(), journal)
        Desk(writer, Sampling(seed=sampling), seed, Ledger(), name=name).ask(ASKS)
        return [s.seed for s in model.samplings]

    first = numbers(0, "few-shot 1")
    assert len(set(first)) == 4
    assert all(0 <= seed < 2**31 for seed in first)
    others = [numbers(1, "few-shot 1"), numbers(0, "few-shot 2"), numbers(0, "few-shot 1", 1)]
    assert not any(set(first) & set(other) for other in others)


def test_replies_without_a_pair_are_lines(tmp_path: Path) -> None:
    at = desk(tmp_path, str.upper)
    rows = [row(n) for n in range(3)]
    drafts = at.pairs(["Question: Q?\nAnswer: A.", None, "hm"], "grid", rows)
    assert [(d.question, d.answer, d.parent) for d in drafts] == [("Q?", "A.", rows[0].id)]
    assert [(e.reason, e.origin) for e in at.ledger.entries] == [(UNREADABLE, rows[2].origin)]


def test_earlier_questions_are_named_on_one_line_each() -> None:
    assert not_again([]) == ""
    assert not_again(["A\nb?", "C?"]).endswith(":\n- A b?\n- C?")
    assert not_again([f"q{n}" for n in range(30)]).count("\n- ") == MOST_NAMED
