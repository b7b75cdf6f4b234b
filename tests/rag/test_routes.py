"""Whoever answers from documents, put together from the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from luthier.core.progress import Quiet
from luthier.core.records import Document, Message
from luthier.models.embed import LocalEncoder
from luthier.models.generate import Generate, Reply, Sampling
from luthier.rag.abstain import FILE_NAME, AbstainSpec
from luthier.rag.access import viewer
from luthier.rag.audit import Audit, AuditSpec
from luthier.rag.index import build
from luthier.rag.routes import open_extractive, open_rag
from luthier.rag.spec import RagSpec

ASKED = (Message("user", "What does wrap do?"),)


class Parrot:
    """Answers the same to everything, and remembers what it was asked."""

    context_length = 10_000

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, list[Sequence[Message]]()

    def generate(
        self, conversations: Sequence[Sequence[Message]], *_: Any, **__: Any
    ) -> list[Reply]:
        self.asked += conversations
        return [Reply(self.text, 1, 1, 0.0, "stop") for _ in conversations]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@pytest.fixture(scope="module")
def spec(tiny_encoder: Path) -> RagSpec:
    return RagSpec(encoder=LocalEncoder(name=str(tiny_encoder)), audit=AuditSpec(question="text"))


@pytest.fixture(scope="module")
def folder(spec: RagSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("index")
    rows = [
        Document("wrap", "wrap", "The wrap function wraps a text.", "w:1", "text", "w"),
        Document("plan", "plan", "The wrap of the plan is secret zyzzyva words that nobody else "
                 "may ever read or repeat to anyone.", "p:1", "text", "p", access=("ann",)),
    ]  # fmt: skip
    build(spec, rows, made, Quiet())
    return made


def test_a_model_answers_with_what_its_viewer_may_see(
    folder: Path, spec: RagSpec, tmp_path: Path
) -> None:
    model = Parrot("It wraps a text.")
    route = open_rag(cast(Generate, model), folder, spec, tmp_path / "audit.sqlite")
    [reply] = route.generate([ASKED], Sampling())
    assert [p.document_id for p in reply.passages] == ["wrap"]
    assert "zyzzyva" not in model.asked[0][-1].content
    [reply] = route.seen_by(viewer(["ann"])).generate([ASKED], Sampling())
    assert {p.document_id for p in reply.passages} == {"wrap", "plan"}
    log = Audit(tmp_path / "audit.sqlite", AuditSpec(question="text"))
    assert len(log.who_saw("plan")) == 2  # asked and answered
    log.close()


def test_what_a_model_has_learned_of_closed_documents_stays_inside(
    folder: Path, spec: RagSpec
) -> None:
    secret = "The wrap of the plan is secret zyzzyva words that nobody else may ever read or repeat"
    route = open_rag(cast(Generate, Parrot(secret)), folder, spec)
    [reply] = route.generate([ASKED], Sampling())
    assert "zyzzyva" not in reply.text


def test_answers_are_taken_from_passages(folder: Path, spec: RagSpec) -> None:
    route = open_extractive(folder, spec)
    [reply] = route.generate([ASKED], Sampling())
    assert reply.text == "The wrap function wraps a text."


def test_abstention_without_a_calibration_is_off(folder: Path, spec: RagSpec) -> None:
    assert not (folder / FILE_NAME).exists()
    careful = spec.model_copy(update={"abstain": AbstainSpec(policy="refuse")})
    [reply] = open_rag(cast(Generate, Parrot("So.")), folder, careful).generate([ASKED], Sampling())
    assert reply.text == "So."


def test_without_a_guard_everything_passes(folder: Path, spec: RagSpec) -> None:
    key = "key sk-" + "a1B2" * 12
    open_spec = spec.model_copy(update={"guard": None, "audit": None})
    [reply] = open_rag(cast(Generate, Parrot(key)), folder, open_spec).generate([ASKED], Sampling())
    assert reply.text == key
    [reply] = open_rag(cast(Generate, Parrot(key)), folder, spec).generate([ASKED], Sampling())
    assert "a1B2a1B2" not in reply.text
    assert dataclasses.is_dataclass(reply)
