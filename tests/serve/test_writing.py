"""A project's writer asks ``luthier serve``: over a socket, within a budget, and nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted import Scripted, row
from serving_fakes import bundle, serving

from luthier.core.journal import Journal
from luthier.core.progress import Quiet
from luthier.core.records import Example, read_table, write_table
from luthier.data.synthesize.filters import JudgeSpec, NoveltySpec
from luthier.data.synthesize.methods import FewShot
from luthier.data.synthesize.synthesize import SynthesizeSpec, synthesize
from luthier.data.synthesize.writer import BudgetSpec, Prices
from luthier.models.remote import RemoteModel, RemoteSpec
from luthier.serve.service import Service

SPEC = SynthesizeSpec(
    methods=(FewShot(count=6, shots=2),),
    novelty=NoveltySpec(max_similarity=None),
    judge=JudgeSpec(min_score=3),
    budget=BudgetSpec(max_cost=400.0),
)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Writes rows about ever other tools, and marks those of odd numbers down."""
    written: list[str] = []

    def says(prompt: str) -> str:
        if "Give a mark" in prompt:
            return "2" if "odd" in prompt else "5"
        number = len(written)
        written.append(prompt)
        kind = "odd" if number % 2 else "even"
        return f"Question: q{number} r{number} s{number}?\nAnswer: An {kind} one."

    return Service(bundle(tmp_path), Scripted(says), Journal(tmp_path / "answers.sqlite"))


def write(folder: Path, place: str, spec: SynthesizeSpec = SPEC) -> tuple[dict[str, Any], Path]:
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
        told, made = write(tmp_path, place, SPEC.model_copy(update={"budget": BudgetSpec()}))
        answered = service.journal.records()
        again, _ = write(tmp_path, place, SPEC.model_copy(update={"budget": BudgetSpec()}))
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
    small = SPEC.model_copy(update={"budget": BudgetSpec(max_cost=1300.0)})
    with serving(service) as place:
        told, _ = write(tmp_path, place, small)
        answered = service.journal.records()
    assert told["budget_spent"]
    assert 0 < told["begun"] < 6
    assert sum(r.prompt_tokens + r.completion_tokens for r in answered) <= 1300
    assert len(answered) == 2 * told["begun"]
