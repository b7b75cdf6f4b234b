"""Rows written are read back, and samples are not picked by how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from luthier.core.progress import Quiet
from luthier.evaluate._ask import ask
from luthier.evaluate.answers import read_answers, read_passages, samples, write_answers
from luthier.models.generate import Sampling


def _write(folder: Path, fake: Any, example: Any, passage: Any) -> list[Any]:
    held = passage("doc", "Seven is the answer.")
    items = [
        example(f"i{i}", f"q {i}", "{}" if i % 3 == 0 else "seven",
                kind="form" if i % 3 == 0 else "fact", document="doc")
        for i in range(9)
    ]  # fmt: skip
    base = ask("base", fake(lambda q: "six", nll=1.5), items, Sampling(), 2, Quiet())
    rag = ask("rag", fake(lambda q: "seven", passages=lambda q: (held,)), items, Sampling(), 2,
              Quiet())  # fmt: skip
    rows = base.rows + rag.rows
    write_answers(folder, rows, {**base.passages, **rag.passages})
    return rows


def test_rows_come_back_as_written(tmp_path: Path, fake: Any, example: Any, passage: Any) -> None:
    rows = _write(tmp_path, fake, example, passage)
    assert read_answers(tmp_path) == rows
    assert read_passages(tmp_path)["doc#0"].origin == "doc.py:1"


def test_samples_take_kinds_in_turn_in_stored_order(
    tmp_path: Path, fake: Any, example: Any, passage: Any
) -> None:
    _write(tmp_path, fake, example, passage)
    chosen = samples(tmp_path, per_kind=2)
    assert [s.kind for s in chosen] == ["fact", "form", "fact", "form"]
    assert [s.question for s in chosen] == ["q 1", "q 0", "q 2", "q 3"]
    assert [a.route for a in chosen[0].answers] == ["base", "rag"]
    assert chosen[0].answers[0].passages == ()
    assert chosen[0].answers[1].passages[0].text == "Seven is the answer."
    assert len(samples(tmp_path, per_kind=100)) == 9
