"""Calls are journalled as they come, never paid twice, and stay within the budget."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted, row
from serving_fakes import bundle, serving

from luthier.core.errors import ModelError
from luthier.core.journal import Journal
from luthier.core.progress import Quiet
from luthier.core.records import Example, Message, read_table, write_table
from luthier.data.synthesize.filters import JudgeSpec, NoveltySpec
from luthier.data.synthesize.journal import Call, CallJournal
from luthier.data.synthesize.methods import FewShot
from luthier.data.synthesize.synthesize import SynthesizeSpec, synthesize
from luthier.data.synthesize.writer import FAILED, SPENT, Amount, Answer, BudgetSpec, Prices, Writer
from luthier.models.generate import LocalModel, Reply, Sampling
from luthier.models.remote import NoAnswerError, RemoteModel, RemoteSpec
from luthier.serve.service import Service

HOT = Sampling(temperature=0.5, max_new_tokens=5)
UNBOUND = BudgetSpec()


def ask(*texts: str) -> list[Call]:
    return [Call((Message("user", t),), HOT) for t in texts]


def texts(answers: Sequence[Answer]) -> list[str | None]:
    return [None if a.problem == SPENT else a.text for a in answers]


def writer(model: Scripted, folder: Path, budget: BudgetSpec = UNBOUND, price: float = 0) -> Writer:
    journal = CallJournal(folder / "calls.jsonl")
    return Writer(model, budget, journal, prices=Prices(price, price))


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    assert texts(writer(Scripted(str.upper), tmp_path).ask(ask("a", "b"))) == ["A", "B"]
    second = Scripted(str.upper)
    again = writer(second, tmp_path, price=1e6)
    assert texts(again.ask(ask("a", "b", "c"))) == ["A", "B", "C"]
    assert second.asked == ["c"]
    assert (again.spent.calls, again.paid.calls) == (3, 1)
    assert (again.prices.of(again.spent), again.prices.of(again.paid)) == (18.0, 6.0)


def test_answers_before_a_failure_are_kept(tmp_path: Path) -> None:
    def says(prompt: str) -> str:
        if prompt == "c":
            raise ModelError("401")
        return prompt.upper()

    with pytest.raises(ModelError, match="401"):
        writer(Scripted(says), tmp_path).ask(ask(*"abcd"))
    second = Scripted(str.upper)
    assert texts(writer(second, tmp_path).ask(ask(*"abcd"))) == ["A", "B", "C", "D"]
    assert second.asked == ["c", "d"]


@pytest.mark.parametrize(
    ("budget", "made"),
    [
        (BudgetSpec(max_calls=3), 3),
        (BudgetSpec(max_tokens=18), 3),  # a call takes 6 tokens
        (BudgetSpec(max_tokens=17), 2),
        (BudgetSpec(max_cost=18.0), 3),
        (BudgetSpec(max_cost=17.9), 2),
        (BudgetSpec(max_tokens=5), 0),
    ],
)
def test_the_budget_is_never_passed(budget: BudgetSpec, made: int, tmp_path: Path) -> None:
    model = Scripted(str.upper)
    one = writer(model, tmp_path, budget, price=1e6)
    assert texts(one.ask(ask(*"abcde"))) == [*"ABCDE"[:made], *[None] * (5 - made)]
    assert one.over
    assert texts(one.ask(ask("f"))) == [None]
    assert len(model.asked) == made
    assert one.spent == Amount(made, made, 5 * made)


def test_short_answers_leave_room_for_more(tmp_path: Path) -> None:
    class Short(Scripted):
        def generate(
            self, conversations: Sequence[Sequence[Message]], sampling: Sampling
        ) -> list[Reply]:
            return [Reply("x", 1, 1, 0.0, "stop") for _ in conversations]

    one = writer(Short(str.upper), tmp_path, BudgetSpec(max_tokens=12))
    assert texts(one.ask(ask(*"abcdefg"))).count("x") == 4  # 8 spent, and the fifth may take 6


def test_tokens_are_estimated_where_the_endpoint_is_silent(tmp_path: Path) -> None:
    class Silent(Scripted):
        def generate(
            self, conversations: Sequence[Sequence[Message]], sampling: Sampling
        ) -> list[Reply]:
            return [Reply("one two", 0, 0, 0.0, "stop") for _ in conversations]

    one = writer(Silent(str.upper), tmp_path, BudgetSpec(max_tokens=20))
    assert texts(one.ask(ask(*(f"a b {n}" for n in range(9))))).count("one two") == 3
    assert (one.spent.tokens, one.estimated, one.over) == (15, 3, True)


def test_calls_without_an_answer_are_counted_and_end_only_in_a_row(tmp_path: Path) -> None:
    def says(prompt: str) -> str:
        if prompt.startswith("bad"):
            raise NoAnswerError("not JSON", where="http://here/v1", mend="Look.")
        return prompt.upper()

    one = writer(Scripted(says), tmp_path)
    calls = ask(*(f"bad{n}" if n % 5 else f"good{n}" for n in range(20)))
    answers = one.ask(calls)
    assert [a.problem for a in answers].count(FAILED) == one.failed == 16
    assert one.spent.calls == 20
    with pytest.raises(ModelError, match="5 calls in a row had no usable answer: not JSON"):
        one.ask(ask(*(f"bad more{n}" for n in range(9))))
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 4


class Counted(RemoteModel):
    """An endpoint without a network; tells how many calls were under way at once."""

    def __init__(self, workers: int, fails: str = "") -> None:
        super().__init__(RemoteSpec(base_url="http://here/v1", model="m", workers=workers))
        self.lock, self.now, self.most, self.calls = threading.Lock(), 0, 0, 0
        self.fails, self.together = fails, threading.Barrier(workers, timeout=10)

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Reply]:
        with self.lock:
            self.now, self.calls = self.now + 1, self.calls + 1
            self.most = max(self.most, self.now)
        self.together.wait()  # all workers are at it, or this test fails
        with self.lock:
            self.now -= 1
        text = conversations[0][-1].content
        if text == self.fails:
            raise ModelError("401")
        return [Reply(text.upper(), 1, 5, 0.0, "stop")]


def test_an_endpoint_is_asked_several_at_once_and_kept_answers_survive(tmp_path: Path) -> None:
    model = Counted(4, fails="b")
    journal = CallJournal(tmp_path / "calls.jsonl")
    with pytest.raises(ModelError, match="401"):
        Writer(model, UNBOUND, journal).ask(ask(*"abcd"))
    assert model.most == 4
    kept = [json.loads(line)["text"] for line in journal.path.read_text().splitlines()]
    assert sorted(kept) == ["A", "C", "D"]  # those under way with the failing one were paid too


def test_calls_under_way_are_reserved(tmp_path: Path) -> None:
    model = Counted(2)
    journal = CallJournal(tmp_path / "calls.jsonl")
    one = Writer(model, BudgetSpec(max_tokens=12), journal)
    assert texts(one.ask(ask(*"abcdef"))) == ["A", "B", None, None, None, None]
    assert (model.calls, one.spent.tokens) == (2, 12)


def test_a_local_model_answers_in_batches_with_a_seed_for_each(tmp_path: Path) -> None:
    batches: list[tuple[int, list[int]]] = []

    class Local(LocalModel):
        def __init__(self) -> None:
            pass

        def count_tokens(self, text: str) -> int:
            return len(text.split())

        def generate(
            self,
            conversations: Sequence[Sequence[Message]],
            sampling: Sampling,
            seeds: Sequence[int] | None = None,
        ) -> list[Reply]:
            batches.append((len(conversations), list(seeds or ())))
            return [Reply(str(seed), 1, 1, 0.0, "stop") for seed in seeds or ()]

    calls = [
        Call((Message("user", "same"),), HOT.model_copy(update={"seed": n})) for n in range(40)
    ]
    answers = Writer(Local(), UNBOUND, CallJournal(tmp_path / "c")).ask(calls)
    assert [a.text for a in answers] == [str(n) for n in range(40)]
    assert batches == [(32, list(range(32))), (8, list(range(32, 40)))]


# Against our own server, over a socket of this machine.

SPEC = SynthesizeSpec(
    methods=(FewShot(count=6, shots=2),),
    novelty=NoveltySpec(max_similarity=None),
    judge=JudgeSpec(min_score=3),
    budget=BudgetSpec(max_cost=400.0),
)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Writes rows about tools tools, and marks those of odd numbers down."""
    written: list[str] = []

    def says(prompt: str) -> str:
        if "Give a mark" in prompt:
            return "2" if "odd" in prompt else "5"
        number = len(written)
        written.append(prompt)
        kind = "odd" if number % 2 else "even"
        return f"Question: q{number} r{number} s{number}?\nAnswer: An {kind} one."

    return Service(bundle(tmp_path), Scripted(says), Journal(tmp_path / "answers.sqlite"))


def synthesized(
    folder: Path, place: str, spec: SynthesizeSpec = SPEC
) -> tuple[dict[str, Any], Path]:
    made = folder / "made"
    made.mkdir(exist_ok=True)
    write_table(folder / "examples.parquet", [row(i) for i in range(5)], Example)
    model = RemoteModel(RemoteSpec(base_url=f"{place}/v1", model="docs", workers=3))
    told = synthesize(
        spec,
        folder,
        made,
        Quiet(),
        documents=[],
        answer=model,
        journal=folder / "calls.jsonl",
        seed=0,
        prices=Prices(1e6, 1e6),
    )
    return told, made


def test_rows_are_written_by_our_own_server(tmp_path: Path, service: Service) -> None:
    with serving(service) as place:
        told, made = synthesized(tmp_path, place, SPEC.model_copy(update={"budget": BudgetSpec()}))
        answered = service.journal.records()
        again, _ = synthesized(tmp_path, place, SPEC.model_copy(update={"budget": BudgetSpec()}))
        assert len(service.journal.records()) == len(answered) == 12
    assert (told["begun"], told["made"], told["reasons"]) == (6, 3, {"judged too low": 3})
    spent = told["spent"]
    tokens = sum(r.prompt_tokens + r.completion_tokens for r in answered)
    assert (spent["calls"], spent["tokens"], spent["cost"]) == (12, tokens, float(tokens))
    assert spent["tokens_estimated_in"] == 0
    assert (again["spent"]["replayed"], again["made"]) == (12, 3)
    rows = read_table(made / "examples.parquet", Example)
    assert [r.answer for r in rows[5:]] == ["An even one."] * 3


def test_the_budget_holds_against_our_own_server(tmp_path: Path, service: Service) -> None:
    small = SPEC.model_copy(update={"budget": BudgetSpec(max_cost=450.0)})
    with serving(service) as place:
        told, _ = synthesized(tmp_path, place, small)
        answered = service.journal.records()
    assert told["budget_spent"]
    assert 0 < told["begun"] < 6
    assert sum(r.prompt_tokens + r.completion_tokens for r in answered) <= 450
    assert len(answered) == 2 * told["begun"]
