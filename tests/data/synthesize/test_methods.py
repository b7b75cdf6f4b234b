"""Each way of writing asks what it says it asks, and every reply is a draft or in the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted import Scripted, document, row

from luthier.core.ledger import Ledger
from luthier.core.records import Example
from luthier.data.synthesize import methods
from luthier.data.synthesize.desk import UNREADABLE, Desk
from luthier.data.synthesize.drafts import Draft
from luthier.data.synthesize.journal import CallJournal
from luthier.data.synthesize.writer import BudgetSpec, Writer
from luthier.models.generate import Sampling

SEEDS = [row(i) for i in range(8)]


def desk(folder: Path, says: Callable[[str], str], **budget: int) -> tuple[Desk, Scripted, Ledger]:
    model, ledger = Scripted(says), Ledger()
    writer = Writer(model, BudgetSpec(**budget), CallJournal(folder / "calls.jsonl"))
    return Desk(writer, Sampling(temperature=0.8), 0, ledger), model, ledger


def all_of(waves: Iterator[list[Draft]]) -> list[Draft]:
    return [draft for wave in waves for draft in wave]


def test_few_shot_shows_rows_and_reads_pairs(tmp_path: Path) -> None:
    at, model, ledger = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.")
    drafts = all_of(methods.few_shot(methods.FewShot(count=5, shots=3), SEEDS, at))
    assert len(model.asked) == len(drafts) == at.begun == 5
    assert all(p.count("Question:") == 3 for p in model.asked)
    assert {d.parent for d in drafts} <= {s.id for s in SEEDS}
    assert ledger.refused == 0


def test_replies_without_a_pair_are_told(tmp_path: Path) -> None:
    at, _, ledger = desk(tmp_path, lambda _: "no idea")
    assert all_of(methods.few_shot(methods.FewShot(count=4), SEEDS, at)) == []
    assert ledger.reasons() == {UNREADABLE: 4}
    assert at.begun == 4


def test_self_instruct_shows_its_own_rows_from_the_second_round_on(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, lambda _: "Question: Written one?\nAnswer: Yes.")
    spec = methods.SelfInstruct(rounds=2, per_round=3, from_seeds=4, from_pool=1)
    pool: list[Example] = []
    for _ in methods.self_instruct(spec, SEEDS, at, pool):
        pool.append(row(99))
    assert all("number 99" not in p for p in model.asked[:3])
    assert all("number 99" in p for p in model.asked[3:])


def test_evolving_goes_on_from_the_evolved_question(tmp_path: Path) -> None:
    def says(prompt: str) -> str:
        if not prompt.startswith("Rewrite"):
            return "An answer."
        return prompt.rpartition("Question: ")[2] + " And then?"

    at, model, ledger = desk(tmp_path, says)
    drafts = all_of(methods.evolve(methods.Evolve(rows=2, depth=2), SEEDS, at))
    assert [d.question.count("And then?") for d in drafts] == [1, 1, 2, 2]
    assert (len(model.asked), ledger.refused) == (8, 0)


def test_a_question_that_did_not_change_is_refused(tmp_path: Path) -> None:
    at, _, ledger = desk(tmp_path, lambda p: p.rpartition("Question: ")[2])
    assert all_of(methods.evolve(methods.Evolve(rows=3, depth=1), SEEDS, at)) == []
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
    drafts = all_of(methods.document_questions(spec, [document(1)], at))
    assert len(model.asked) == 3
    assert at.begun == 1
    if reason is None:
        assert [(d.question, d.document_id) for d in drafts] == [("What does it do?", "d1")]
    else:
        assert (drafts, ledger.reasons()) == ([], {reason: 1})


def test_a_grid_asks_for_every_combination(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.")
    grid = methods.Grid(
        attributes={"persona": ("nurse", "clerk"), "tone": ("curt", "polite")}, per_combination=2
    )
    assert len(all_of(methods.grid(grid, SEEDS, at))) == 8
    for persona in ("nurse", "clerk"):
        for tone in ("curt", "polite"):
            wanted = f"with persona: {persona}, tone: {tone}."
            assert sum(wanted in p for p in model.asked) == 2


def test_what_was_asked_before_is_named_and_every_call_has_its_own_seed(tmp_path: Path) -> None:
    numbers = itertools.count()

    def says(prompt: str) -> str:
        asked = f"Question: What is number {next(numbers)}?\nAnswer: One."
        answers = "Answer from" in prompt or "Answer it" in prompt
        return "Wood from the arch." if answers else asked

    at, model, _ = desk(tmp_path, says)
    grid = methods.Grid(attributes={"tone": ("curt", "polite")}, per_combination=3, shots=0)
    all_of(methods.grid(grid, SEEDS, at))
    assert len(model.asked) == 6
    assert [p.count("What is number") for p in model.asked] == [0, 0, 1, 1, 2, 2]
    spec = methods.DocumentQuestions(documents=2, per_document=3)
    all_of(methods.document_questions(spec, [document(1), document(2)], at))
    written = [p for p in model.asked if "Write a question" in p]
    assert [p.count("\n- ") for p in written] == [0, 0, 1, 1, 2, 2]
    assert len({s.seed for s in model.samplings}) == len(model.samplings) == 6 + 2 * 3 * 3


def test_equal_prompts_differ_by_their_seed(tmp_path: Path) -> None:
    at, model, _ = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.")
    all_of(methods.few_shot(methods.FewShot(count=5, shots=1), SEEDS[:1], at))
    assert len(set(model.asked)) == 1
    assert len({s.seed for s in model.samplings}) == 5
    assert at.writer.spent.calls == at.writer.paid.calls == 5


def test_more_of_a_method_asks_the_same_first(tmp_path: Path) -> None:
    for few, many in (
        (methods.FewShot(count=3), methods.FewShot(count=40)),
        (methods.Evolve(rows=2, depth=1), methods.Evolve(rows=5, depth=1)),
    ):
        asked = []
        for number, spec in enumerate((few, many)):
            at, model, _ = desk(tmp_path / f"{spec.kind}{number}", lambda p: f"New: {p[-9:]}")
            waves = (
                methods.few_shot(spec, SEEDS, at)
                if isinstance(spec, methods.FewShot)
                else methods.evolve(spec, SEEDS, at)
            )
            all_of(waves)
            asked.append(set(zip(model.asked, (s.seed for s in model.samplings), strict=True)))
        assert asked[0] < asked[1]


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (methods.FewShot(count=7), 7),
        (methods.SelfInstruct(rounds=2, per_round=3), 6),
        (methods.Evolve(rows=50, depth=3), 24),
        (methods.DocumentQuestions(documents=50, per_document=2), 16),
        (methods.Grid(attributes={"a": ("x", "y"), "b": ("1", "2", "3")}, per_combination=2), 12),
    ],
)
def test_what_is_planned(spec: methods.MethodSpec, rows: int) -> None:
    assert methods.planned(spec, 8) == rows


def test_nothing_is_begun_that_the_budget_cannot_end(tmp_path: Path) -> None:
    at, model, ledger = desk(tmp_path, lambda _: "Question: New one?\nAnswer: Yes.", max_calls=8)
    assert len(all_of(methods.few_shot(methods.FewShot(count=3), SEEDS, at))) == 3
    documents = [document(n) for n in range(4)]
    all_of(methods.document_questions(methods.DocumentQuestions(), documents, at))
    assert len(model.asked) == 6  # three calls for one document; no more fit
    assert all_of(methods.evolve(methods.Evolve(rows=1), SEEDS, at))
    assert len(model.asked) == 8
    assert all_of(methods.few_shot(methods.FewShot(count=9), SEEDS, at)) == []
    assert at.begun == 3 + 1 + 1
    assert ledger.refused == 1  # the document's answer is not supported
