"""Rows become questions with passages; negatives are their own, then mined."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example, Message
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune._pairs import cut_short, pairs_of, passage_text, tokens_of
from luthier.tune.retrieval import EncoderPairs, open_network
from luthier.tune.tune import TuneSpec

PLAN = Plan("cpu", "float32", 1, 256, 0, 0, 1 << 30, "here")
DOCUMENTS = [
    Document(f"d{i}", title, text, "o", "text", "g")
    for i, (title, text) in enumerate([("text", "fill"), ("", "wrap the path"), ("a", "list of")])
]


def row(question: str, answer: str = "-", document: str = "", *rejected: str) -> Example:
    turns = (Message("user", question), Message("assistant", answer))
    worse = tuple(Message("assistant", text) for text in rejected)
    return Example("e", turns, "o:1", "g", "fact", document_id=document, rejected=worse)


@pytest.fixture
def model(tiny_encoder: Path) -> Model:
    return open_network(EncoderPairs(), tiny_encoder, device="cpu", precision="float32")


def test_the_document_answers_or_else_the_answer(model: Model) -> None:
    sides = [[row("q", document="d0"), row("r", "said"), row("s", "said", "gone")]]
    (found,) = pairs_of(sides, DOCUMENTS, 0, model, TuneSpec(), PLAN, Ledger())
    assert [p.positive for p in found] == ["text\nfill", "said", "said"]
    assert passage_text(DOCUMENTS[1]) == "wrap the path"


def test_own_negatives_come_first_and_the_rest_is_mined(model: Model) -> None:
    sides = [[row("text fill", "-", "d0", "own")], [row("text fill", "-", "d1")]]
    first, second = pairs_of(sides, DOCUMENTS, 2, model, TuneSpec(), PLAN, Ledger())
    assert first[0].negatives == ("own", "a\nlist of")  # d1 answers the same question elsewhere
    assert second[0].negatives == ("a\nlist of",)
    assert first[0].known == {"text\nfill", "wrap the path"}


def test_rows_with_nothing_to_find_are_refused(model: Model) -> None:
    ledger = Ledger()
    (found,) = pairs_of([[row(" "), row("q", " ")]], (), 1, model, TuneSpec(), PLAN, ledger)
    assert found == []
    assert ledger.reasons() == {"no question, or no passage that answers it": 2}


def test_tokens_are_cut_and_it_is_seen(model: Model) -> None:
    ids = tokens_of(["fill " * 30, "text"], model, 10)
    assert [len(one) for one in ids] == [10, 3]
    assert cut_short(ids, 10).tolist() == [True, False]
    (both,) = tokens_of(["text"], model, 12, ["fill " * 30])
    assert len(both) == 12
    assert both[:3] == [2, 6, 3]
