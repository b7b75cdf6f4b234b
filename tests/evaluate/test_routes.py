"""Each route puts what belongs to it around the model it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from luthier.core.records import Message, Passage
from luthier.evaluate.routes import Route, answerer
from luthier.models.generate import Sampling
from luthier.rag import routes as rag_routes
from luthier.rag.legs import Legs
from luthier.rag.spec import RagSpec

ASKED = (Message("user", "What does wrap do?"),)
PASSAGE = Passage("wrap#0", "wrap", "textwrap.wrap", "Wraps a text.", "textwrap.py:377", 0, 13)


class FakeIndex:
    """Finds the same passage for every query."""

    def __init__(self, folder: Path, spec: RagSpec) -> None:
        self.folder, self.spec = folder, spec
        self.legs = Legs.of([])

    def search_many(self, queries: list[str]) -> list[list[Passage]]:
        return [[PASSAGE] for _ in queries]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, RagSpec]]:
    """The indexes that were opened."""
    calls: list[tuple[Path, RagSpec]] = []

    def open_index(folder: Path, spec: RagSpec, model: object = None) -> FakeIndex:
        calls.append((folder, spec))
        return FakeIndex(folder, spec)

    monkeypatch.setattr(rag_routes, "open_index", open_index)
    return calls


@pytest.mark.parametrize("route", ["base", "fine-tuned"])
def test_a_bare_route_is_the_model_itself(route: Route, fake: Any) -> None:
    model = fake(lambda q: q)
    assert answerer(route, model) is model


def test_few_shot_shows_its_examples_first(fake: Any, example: Any) -> None:
    model = fake(lambda q: "So.")
    shots = (example("s", "How?", "Thus.", side="train"),)
    (reply,) = answerer("few-shot", model, shots=shots).generate([ASKED], Sampling())
    assert reply.text == "So."
    assert [m.content for m in model.asked[0][0]] == ["How?", "Thus.", "What does wrap do?"]


@pytest.mark.parametrize("route", ["rag", "rag+fine-tuned"])
def test_a_retrieving_route_reads_passages(
    route: Route, fake: Any, opened: list[tuple[Path, RagSpec]]
) -> None:
    model, spec = fake(lambda q: "Wraps a text."), RagSpec(top_k=2)
    found = answerer(route, model, index_folder=Path("made"), rag=spec)
    (reply,) = found.generate([ASKED], Sampling())
    assert opened == [(Path("made"), spec)]
    assert [p.id for p in reply.passages] == ["wrap#0"]
    assert "Wraps a text." in model.asked[0][0][-1].content


def test_a_retrieving_route_without_an_index_is_a_defect(fake: Any) -> None:
    for parts in ({}, {"rag": RagSpec()}, {"index_folder": Path("made")}):
        with pytest.raises(AssertionError, match="without an index"):
            answerer("rag", fake(lambda q: q), **parts)


def test_every_route_is_answered(fake: Any, opened: list[tuple[Path, RagSpec]]) -> None:
    for route in get_args(Route):
        whole = answerer(route, fake(lambda q: q), index_folder=Path("made"), rag=RagSpec())
        assert whole.context_length in (10_000, 1_000_000)
