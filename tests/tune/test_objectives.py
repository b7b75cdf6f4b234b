"""What pretraining learns beside conversations, and how much of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import examples, tiny

from luthier import config
from luthier.core.ledger import Ledger
from luthier.core.records import Document
from luthier.tune.objectives import Instruction, Pretrain, language_rows
from luthier.tune.tune import TuneSpec

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
