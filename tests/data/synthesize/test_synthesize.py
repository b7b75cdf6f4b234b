"""The stage: new rows are training rows, test items stay as they are, the books balance."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from scripted import Scripted, document, row

from luthier.core.errors import DataError, LeakageError
from luthier.core.ledger import read_ledger
from luthier.core.progress import Quiet
from luthier.core.records import Example, read_table, write_table
from luthier.data.synthesize.filters import NoveltySpec
from luthier.data.synthesize.methods import DocumentQuestions, FewShot, SelfInstruct
from luthier.data.synthesize.synthesize import SynthesizeSpec, learnable, synthesize
from luthier.data.synthesize.writer import CALLS

ROWS = [*(row(i) for i in range(6)), row(6, "validation"), row(7, "test")]
LEXICAL = NoveltySpec(max_similarity=None)


def run(
    folder: Path, spec: SynthesizeSpec, says: Callable[[str], str], rows: list[Example] = ROWS
) -> tuple[dict[str, Any], list[Example], Scripted]:
    prepared, made = folder / "prepared", folder / "made"
    prepared.mkdir(exist_ok=True)
    made.mkdir(exist_ok=True)
    write_table(prepared / "examples.parquet", rows, Example)
    model = Scripted(says)
    documents = [document(i) for i in range(3)]
    summary = synthesize(spec, prepared, made, Quiet(), documents=documents, answer=model, seed=0)
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
    journal = (tmp_path / "made" / CALLS).read_text().splitlines(keepends=True)
    (tmp_path / "made" / CALLS).write_text("".join(journal[:33]) + journal[33][:9])
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


@given(st.integers(0, 2**20))
def test_every_reply_is_a_row_or_a_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    choose = random.Random(seed)
    replies = ["hm", "Question: A b?\nAnswer: c", "Question: x\nAnswer: y", "wood arch", "5", "1"]
    spec = SynthesizeSpec(
        methods=(FewShot(count=6), DocumentQuestions(documents=3), SelfInstruct(rounds=2)),
        novelty=LEXICAL,
        max_refused=1.0,
        judge={"min_score": 3} if seed % 2 else None,  # type: ignore[arg-type]
        budget={"max_calls": 1 + seed % 50},  # type: ignore[arg-type]
    )
    folder = tmp_path_factory.mktemp("s")
    summary, rows, _ = run(folder, spec, lambda _: choose.choice(replies))
    refused = read_ledger(folder / "made").refused
    assert summary["replies"] == summary["made"] + refused
    assert len(rows) == len(ROWS) + summary["made"]
    assert summary["spent"]["calls"] <= spec.budget.max_calls
