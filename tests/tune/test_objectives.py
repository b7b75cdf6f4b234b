"""What pretraining learns beside conversations, and how much of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from tiny_models import examples, tiny

from luthier import config
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.setup.plan import Plan
from luthier.tune.objectives import Instruction, Pretrain, divide, language_rows, text_rows
from luthier.tune.tune import TuneSpec, tune

DOCUMENTS = [
    Document(f"d{i}", "wrap", "the text is wrapped at the width " * 5, f"w.py:{i}", "text", "g")
    for i in range(40)
]


def made(objective: Instruction | Pretrain, documents: list[Document] | None = None) -> Any:
    spec = TuneSpec(objective=objective, max_length=64)
    given = DOCUMENTS if documents is None else documents
    return language_rows(examples(10), given, tiny(), spec, Ledger())


def test_instruction_tuning_reads_no_documents() -> None:
    found = made(Instruction())
    assert (len(found), found.made) == (10, 0)
    assert found.size < found.lengths.sum() / 2


def test_pretraining_learns_every_token() -> None:
    found = made(Pretrain())
    assert found.made == len(found) - 10 >= 40
    assert found.size == found.lengths.sum() - len(found)  # nothing predicts a row's first token


def test_a_share_of_the_documents() -> None:
    origins = set(made(Pretrain(plain_texts=0.5)).origins)
    kept = sum(d.origin in origins for d in DOCUMENTS)
    assert 10 <= kept <= 30
    assert made(Pretrain(plain_texts=0.0)).made == 0


def test_copy_drills_take_their_share_of_the_tokens() -> None:
    plain, drilled = made(Pretrain()), made(Pretrain(copy_drills=0.4))
    share = 1 - plain.lengths.sum() / drilled.lengths.sum()
    assert share == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("kind", [Instruction, Pretrain])
def test_smoothing_reaches_the_loss(kind: type[Instruction | Pretrain]) -> None:
    assert made(kind(label_smoothing=0.1)).smoothing == 0.1
    assert made(kind()).smoothing == 0.0


def test_a_bare_word_stands_for_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "luthier.yaml"
    text = "name: a\ndata: {sources: [{kind: csv, path: a.csv}]}\ntune: {objective: pretrain}\n"
    path.write_text(text)
    assert config.load(path).tune == TuneSpec(objective=Pretrain())
    project = config.load(path, ["tune.objective.copy_drills=0.1", "tune.method=lora"])
    assert project.tune is not None
    assert project.tune.objective == Pretrain(copy_drills=0.1)
    assert project.tune.method.kind == "lora"


@settings(deadline=None)
@given(st.integers(0, 40), st.floats(0, 0.99), st.integers(0, 9))
def test_documents_are_learned_or_measured_never_both(count: int, share: float, seed: int) -> None:
    learned, watched = divide(DOCUMENTS[:count], share, seed)
    assert sorted(d.id for d in [*learned, *watched]) == sorted(d.id for d in DOCUMENTS[:count])
    assert bool(watched) == (share > 0 and count > 1)
    assert learned or not count


def test_what_is_measured_is_whole_whatever_share_is_learned() -> None:
    spec = TuneSpec(objective=Pretrain(plain_texts=0.1, copy_drills=0.4), max_length=64)
    found = text_rows(DOCUMENTS[:4], tiny(), spec)
    assert set(found.origins) == {d.origin for d in DOCUMENTS[:4]}
    assert found.size == found.lengths.sum() - len(found)


def test_texts_alone_are_learned_and_some_are_measured(tmp_path: Path) -> None:
    spec = TuneSpec(objective=Pretrain(held_out=0.1), max_length=64, epochs=1, report_to=())
    plan = Plan("cpu", "float32", 1, 256, 1, 0, 0, "this")
    told = tune(tiny(), [], [], DOCUMENTS, spec, plan, tmp_path, Quiet())
    assert told["validation_loss_before"] > told["validation_loss"] > 0
