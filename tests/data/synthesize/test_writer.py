"""Calls are journalled, never paid twice, and end with the budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted import Scripted

from luthier.core.records import Message
from luthier.data.synthesize.writer import CALLS, BudgetSpec, Writer
from luthier.models.generate import Sampling

HOT = Sampling(temperature=0.5)


def ask(*texts: str) -> list[list[Message]]:
    return [[Message("user", t)] for t in texts]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Scripted(str.upper)
    assert Writer(first, BudgetSpec(), tmp_path).ask(ask("a", "b"), HOT) == ["A", "B"]
    second = Scripted(str.upper)
    writer = Writer(second, BudgetSpec(), tmp_path)
    assert writer.ask(ask("a", "b", "c"), HOT) == ["A", "B", "C"]
    assert second.asked == ["c"]
    assert (writer.spent.calls, writer.spent.replayed) == (3, 2)


def test_other_sampling_is_another_call(tmp_path: Path) -> None:
    model = Scripted(str.upper)
    writer = Writer(model, BudgetSpec(), tmp_path)
    writer.ask(ask("a"), HOT)
    writer.ask(ask("a"), HOT.model_copy(update={"seed": 1}))
    assert len(model.asked) == 2


def test_a_line_cut_off_by_a_crash_is_asked_again(tmp_path: Path) -> None:
    Writer(Scripted(str.upper), BudgetSpec(), tmp_path).ask(ask("a", "b"), HOT)
    path = tmp_path / CALLS
    path.write_text(path.read_text()[:-20])
    model = Scripted(str.upper)
    assert Writer(model, BudgetSpec(), tmp_path).ask(ask("a", "b"), HOT) == ["A", "B"]
    assert model.asked == ["b"]


@pytest.mark.parametrize(
    "budget",
    [BudgetSpec(max_calls=3), BudgetSpec(max_tokens=18), BudgetSpec(max_cost=2.5)],
    ids=["calls", "tokens", "cost"],
)
def test_nothing_is_asked_past_the_budget(budget: BudgetSpec, tmp_path: Path) -> None:
    model = Scripted(str.upper)
    writer = Writer(model, budget, tmp_path, cost=lambda _: 1.0, batch=1)  # 6 tokens a call
    assert writer.ask(ask(*"abcde"), HOT) == ["A", "B", "C", None, None]
    assert writer.over
    assert writer.ask(ask("f"), HOT) == [None]
    assert len(model.asked) == 3


def test_calls_are_an_exact_limit_within_a_batch(tmp_path: Path) -> None:
    model = Scripted(str.upper)
    writer = Writer(model, BudgetSpec(max_calls=3), tmp_path, batch=10)
    assert writer.ask(ask(*"abcde"), HOT) == ["A", "B", "C", None, None]
    assert len(model.asked) == 3


def test_the_journal_holds_tokens_and_cost(tmp_path: Path) -> None:
    Writer(Scripted(str.upper), BudgetSpec(), tmp_path, cost=lambda r: r.prompt_tokens / 4).ask(
        ask("two words"), HOT
    )
    told = json.loads((tmp_path / CALLS).read_text())
    assert (told["text"], told["tokens"], told["cost"]) == ("TWO WORDS", 7, 0.5)
