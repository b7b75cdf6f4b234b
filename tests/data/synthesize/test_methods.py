"""Each way of writing asks what it says it asks, and every reply is a draft or in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import Scripted, document, row

from luthier.core.ledger import Ledger
from luthier.core.records import Example
from luthier.data.synthesize import methods
from luthier.data.synthesize.writer import BudgetSpec, Writer
from luthier.models.generate import Sampling

SEEDS = [row(i) for i in range(8)]


def desk(
    folder: Path, says: Callable[[str], str], **budget: int
) -> tuple[methods.Desk, Scripted, Ledger]:
    model, ledger = Scripted(says), Ledger()
    writer = Writer(model, BudgetSpec(**budget), folder)
    return methods.Desk(writer, Sampling(temperature=0.8), 0, ledger), model, ledger


def test_few_shot_shows_rows_and_reads_pairs(tmp_path: Path) -> None:
    at, model, ledger = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.")
    drafts = list(methods.few_shot(methods.FewShot(count=5, shots=3), SEEDS, at))
    assert len(model.asked) == len(drafts) == at.replies == 5
    assert all(p.count("Question:") == 3 for p in model.asked)
    assert {d.parent for d in drafts} <= {s.id for s in SEEDS}
    assert ledger.refused == 0


def test_replies_without_a_pair_are_told(tmp_path: Path) -> None:
    at, _, ledger = desk(tmp_path, lambda _: "no idea")
    assert list(methods.few_shot(methods.FewShot(count=4), SEEDS, at)) == []
    assert ledger.reasons() == {methods.UNREADABLE: 4}
    assert at.replies == 4


def test_same_prompts_are_sampled_anew(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, str.upper)
    at.ask(["a"])
    at.ask(["a"])
    assert len(model.asked) == 2


def test_self_instruct_shows_its_own_rows_from_the_second_round_on(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, lambda _: "Question: Written one?\nAnswer: Yes.")
    spec = methods.SelfInstruct(rounds=2, per_round=3, from_seeds=4, from_pool=1)
    pool: list[Example] = []
    for number, _ in enumerate(methods.self_instruct(spec, SEEDS, at, pool)):
        if number == 2:
            pool.append(row(99))
    assert all("number 99" not in p for p in model.asked[:3])
    assert all("number 99" in p for p in model.asked[3:])


def test_evolving_goes_on_from_the_evolved_question(tmp_path: Path) -> None:
    def says(prompt: str) -> str:
        if not prompt.startswith("Rewrite"):
            return "An answer."
        return prompt.rpartition("Question: ")[2] + " And then?"

    at, model, ledger = desk(tmp_path, says)
    drafts = list(methods.evolve(methods.Evolve(rows=2, depth=2), SEEDS, at))
    assert [d.question.count("And then?") for d in drafts] == [1, 1, 2, 2]
    assert (len(model.asked), ledger.refused) == (8, 0)


def test_a_question_that_did_not_change_is_refused(tmp_path: Path) -> None:
    at, _, ledger = desk(tmp_path, lambda p: p.rpartition("Question: ")[2])
    assert list(methods.evolve(methods.Evolve(rows=3, depth=1), SEEDS, at)) == []
    assert ledger.reasons() == {"question did not evolve": 3}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("Gouge removes wood.", "Wood, it removes.", None),
        ("It flies to the moon today.", "Wood.", "answer not supported by its document"),
        ("Gouge removes wood.", "The arch of a plate.", "two answers disagree"),
        ("", "Wood.", "empty question or answer"),
    ],
)
def test_answers_from_documents_are_verified(
    first: str, second: str, reason: str | None, tmp_path: Path
) -> None:
    def says(prompt: str) -> str:
        if "Write a question" in prompt:
            return "Question: What does it do?"
        return first if "from this text only" in prompt else second

    at, model, ledger = desk(tmp_path, says)
    spec = methods.DocumentQuestions(documents=1)
    drafts = list(methods.document_questions(spec, [document(1)], at))
    assert len(model.asked) == 3
    assert at.replies == 1
    if reason is None:
        assert [(d.question, d.document_id) for d in drafts] == [("What does it do?", "d1")]
    else:
        assert (drafts, ledger.reasons()) == ([], {reason: 1})


def test_a_grid_asks_for_every_combination(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.")
    grid = methods.Grid(
        attributes={"persona": ("nurse", "clerk"), "tone": ("curt", "polite")}, per_combination=2
    )
    assert len(list(methods.grid(grid, SEEDS, at))) == 8
    for persona in ("nurse", "clerk"):
        for tone in ("curt", "polite"):
            wanted = f"with persona: {persona}, tone: {tone}."
            assert sum(p.endswith(wanted) for p in model.asked) == 2


def test_a_spent_budget_ends_every_method(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.", max_calls=3)
    assert len(list(methods.few_shot(methods.FewShot(count=9), SEEDS, at))) == 3
    assert list(methods.evolve(methods.Evolve(), SEEDS, at)) == []
    assert list(methods.document_questions(methods.DocumentQuestions(), [document(1)], at)) == []
    assert len(model.asked) == 3
