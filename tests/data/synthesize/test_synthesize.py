"""The stage: new rows are training rows, test items stay as they are, the books balance."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scripted import Scripted, document, row

from luthier.core.errors import ConfigError, DataError, LeakageError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Example, read_table, write_table
from luthier.data.synthesize.filters import Encode, FormSpec, JudgeSpec, NoveltySpec
from luthier.data.synthesize.methods import (
    DocumentQuestions,
    Evolve,
    FewShot,
    Grid,
    MethodSpec,
    SelfInstruct,
    planned,
)
from luthier.data.synthesize.synthesize import SynthesizeSpec, learnable, synthesize
from luthier.data.synthesize.writer import BudgetSpec, Prices
from luthier.models.encode import Vectors
from luthier.models.remote import NoAnswerError

ROWS = [*(row(i) for i in range(6)), row(6, "validation"), row(7, "test")]
CALLS = "calls.jsonl"
LEXICAL = NoveltySpec(max_similarity=None)


def run(
    folder: Path,
    spec: SynthesizeSpec,
    says: Callable[[str], str],
    rows: list[Example] = ROWS,
    encode: Encode | None = None,
) -> tuple[dict[str, Any], list[Example], Scripted]:
    prepared, made = folder / "prepared", folder / "made"
    prepared.mkdir(exist_ok=True)
    made.mkdir(exist_ok=True)
    write_table(prepared / "examples.parquet", rows, Example)
    model = Scripted(says)
    documents = [document(i) for i in range(3)]
    summary = synthesize(
        spec,
        prepared,
        made,
        Quiet(),
        documents=documents,
        answer=model,
        journal=folder / CALLS,
        seed=0,
        encode=encode,
        prices=Prices(1.0, 1.0),
    )
    return summary, read_table(made / "examples.parquet", Example), model


def new_rows() -> Callable[[str], str]:
    words = iter(f"alpha{i} beta{i} gamma{i}" for i in range(10_000))
    return lambda _: f"Question: {next(words)}?\nAnswer: It does."


def test_new_rows_join_the_training_side(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(count=5), SelfInstruct(rounds=2, per_round=3)),
                          novelty=LEXICAL)  # fmt: skip
    summary, rows, _ = run(tmp_path, spec, new_rows())
    assert rows[: len(ROWS)] == ROWS
    made = rows[len(ROWS) :]
    assert len(made) == 11
    assert summary["methods"] == {"few-shot": 5, "self-instruct": 6}
    train = {r.id: r for r in ROWS if r.side == "train"}
    for one in made:
        assert one.side == "train"
        assert one.group == train[one.parent].group
        assert one.origin == train[one.parent].origin


def test_questions_of_the_test_side_are_not_written_again(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(count=3),), novelty=LEXICAL, max_refused=1.0)
    summary, rows, _ = run(
        tmp_path, spec, lambda _: f"Question: {ROWS[-1].question}\nAnswer: {ROWS[-1].answer}"
    )
    assert rows == ROWS
    assert summary["reasons"] == {"not new (ROUGE-L)": 3}


def test_documents_of_the_test_side_are_not_read() -> None:
    held = row(7, "test")
    rows = [Example(**{f: getattr(held, f) for f in held.__slots__} | {"document_id": "d1"})]
    assert [d.id for d in learnable([document(i) for i in range(3)], rows)] == ["d0", "d2"]


def test_the_same_inputs_give_the_same_rows_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(count=40),), novelty=LEXICAL)
    _, first, _ = run(tmp_path, spec, new_rows())
    journal = (tmp_path / CALLS).read_text().splitlines(keepends=True)
    (tmp_path / CALLS).write_text("".join(journal[:33]) + journal[33][:9])
    held = iter(json.loads(line)["text"] for line in journal[33:])
    _, second, model = run(tmp_path, spec, lambda _: next(held))
    assert second == first
    assert len(model.asked) == 7


def test_too_many_refusals_fail(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(count=20),), novelty=LEXICAL)
    with pytest.raises(LeakageError, match="no question and answer in the reply"):
        run(tmp_path, spec, lambda _: "hm")


def test_nothing_to_write_from(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(),))
    with pytest.raises(DataError, match="no training row"):
        run(tmp_path, spec, str, [row(7, "test")])


def test_other_settings_pay_only_for_what_they_ask_anew(tmp_path: Path) -> None:
    """A raised limit, a filter, a budget: answers that were paid for are used again."""
    spec = SynthesizeSpec(methods=(FewShot(count=10),), novelty=LEXICAL)
    with pytest.raises(LeakageError, match="limit"):
        run(tmp_path, spec, lambda _: "hm")
    looser = spec.model_copy(update={"max_refused": 1.0, "form": FormSpec(min_question_words=3)})
    summary, _, model = run(tmp_path, looser, new_rows())
    assert model.asked == []
    assert (summary["spent"]["replayed"], summary["spent"]["cost_of_this_run"]) == (10, 0.0)
    assert summary["spent"]["cost"] > 0
    more = looser.model_copy(update={"methods": (FewShot(count=15),)})
    assert len(run(tmp_path, more, new_rows())[2].asked) == 5


def test_a_refusal_names_the_setting_and_shows_what_was_refused(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(count=6),), novelty=LEXICAL)
    with pytest.raises(LeakageError) as caught:
        run(tmp_path, spec, lambda _: "Sure!\nHere you go.")
    assert str(caught.value).startswith("data.synthesize.max_refused: 6 of 6 written items")
    assert "'Sure! Here you go.'" in str(caught.value)


def test_a_limit_of_money_needs_prices(tmp_path: Path) -> None:
    spec = SynthesizeSpec(methods=(FewShot(),), budget=BudgetSpec(max_cost=1.0))
    (tmp_path / "made").mkdir()
    with pytest.raises(ConfigError, match="limits nothing"):
        synthesize(
            spec,
            tmp_path,
            tmp_path / "made",
            Quiet(),
            documents=[],
            answer=Scripted(str),
            journal=tmp_path / CALLS,
            seed=0,
        )


def test_a_partial_sampling_still_draws_its_words() -> None:
    spec = SynthesizeSpec.model_validate(
        {"methods": ({"kind": "few-shot"},), "sampling": {"max_new_tokens": 80}}
    )
    assert (spec.sampling.temperature, spec.sampling.max_new_tokens) == (0.8, 80)


METHODS: list[MethodSpec] = [
    FewShot(count=6),
    SelfInstruct(rounds=2, per_round=4),
    Evolve(rows=4, depth=2),
    DocumentQuestions(documents=3, per_document=2, min_agreement=0.2),
    Grid(attributes={"a": ("x", "y"), "b": ("1", "2")}, per_combination=2, shots=0),
]
REPLIES = [
    "hm",
    "",
    "Question: A b c?\nAnswer: 42",
    'Question: Which one is it?\nAnswer: {"n": 1}',
    "Question: x\nAnswer: y",
    "Question: Who made it?\nAnswer: I'm sorry, I cannot help.",
    "Question: Why?\nAnswer: " + "so " * 9,
    "wood arch plate gouge",
    f"Question: {ROWS[-1].question}\nAnswer: wood",
    "5",
    "1",
]
FORMS = [
    FormSpec(),
    FormSpec(answer_pattern=".*[0-9].*"),
    FormSpec(answer_json=True),
    FormSpec(min_question_words=3, max_question_words=5, max_answer_words=5),
]


def letters(texts: Sequence[str]) -> Vectors:
    counts = np.array([[text.count(c) + 0.01 for c in "abcdefgw"] for text in texts], np.float32)
    return counts.reshape(-1, 8) / np.linalg.norm(counts.reshape(-1, 8), axis=1, keepdims=True)


@settings(deadline=None, max_examples=40)
@given(
    chosen=st.lists(st.sampled_from(METHODS), min_size=1, max_size=5),
    form=st.sampled_from(FORMS),
    embeds=st.booleans(),
    judges=st.booleans(),
    budget=st.integers(1, 90),
    tokens=st.integers(300, 60_000),
    luck=st.randoms(use_true_random=False),
)
def test_every_item_is_a_row_or_a_line(
    tmp_path_factory: pytest.TempPathFactory,
    chosen: list[MethodSpec],
    form: FormSpec,
    embeds: bool,
    judges: bool,
    budget: int,
    tokens: int,
    luck: random.Random,
) -> None:
    number = itertools.count()

    def says(prompt: str) -> str:
        turn = next(number)
        if turn % 7 == 3:  # never five in a row
            raise NoAnswerError("garbage")
        fresh = f"Question: Is {turn} more than b{turn} or c{turn}?\nAnswer: wood {turn}"
        return luck.choice([*REPLIES, fresh, fresh])

    spec = SynthesizeSpec(
        methods=tuple(chosen),
        form=form,
        novelty=NoveltySpec(max_similarity=0.999 if embeds else None),
        max_refused=1.0,
        judge=JudgeSpec(min_score=3) if judges else None,
        budget=BudgetSpec(max_calls=budget, max_tokens=tokens),
    )
    folder = tmp_path_factory.mktemp("s")
    summary, rows, model = run(folder, spec, says, encode=letters)
    refused = read_ledger(folder / "made").refused
    assert summary["begun"] == summary["made"] + refused
    assert len(rows) == len(ROWS) + summary["made"]
    assert len({r.id for r in rows}) == len(rows)
    assert summary["spent"]["calls"] == len(model.asked) <= budget
    assert summary["spent"]["tokens"] <= tokens
    if not summary["budget_spent"]:
        assert summary["begun"] == sum(planned(m, 3 if m.kind == "documents" else 6)
                                       for m in chosen)  # fmt: skip
    assert all("tool number 7" not in r.question for r in rows[len(ROWS) :])
