from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Message
from luthier.data.annotate.autolabel import (
    EncoderLabels,
    ModelLabels,
    Predictions,
    by_encoder,
    by_model,
    label_named,
)
from luthier.data.annotate.items import Item
from luthier.models.generate import Reply, Sampling, Score

NAMES = ("card", "lost card", "loan")


class Fake:
    """Says, or holds for likely, the label that the text holds between < and >."""

    context_length = 1000

    def __init__(self, *, scores: bool) -> None:
        self.scores = scores
        self.asked: list[str] = []

    def generate(
        self, conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> list[Reply]:
        self.asked += [c[-1].content for c in conversations]
        said = [self._hint(c) for c in conversations]
        return [Reply(f"It is {s}.", 1, sampling.max_new_tokens, 0.0, "stop") for s in said]

    def stream(self, conversation: Sequence[Message], sampling: Sampling) -> Iterator[str | Reply]:
        yield from self.generate([conversation], sampling)

    def score(
        self, conversations: Sequence[Sequence[Message]], references: Sequence[str]
    ) -> list[Score | None]:
        if not self.scores:
            return [None] * len(references)
        return [
            Score(1.0 if r == self._hint(c) else 4.0, 2)
            for c, r in zip(conversations, references, strict=True)
        ]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def _hint(self, conversation: Sequence[Message]) -> str:
        return conversation[-1].content.rpartition("<")[2].partition(">")[0]


def _items(hints: Sequence[str]) -> list[Item]:
    return [Item(f"r{i}", f"text {i} <{hint}>", f"f:{i}") for i, hint in enumerate(hints)]


def _ask(
    fake: Fake, hints: Sequence[str], known: Sequence[int], ledger: Ledger, least: int = 20
) -> Predictions:
    spec = ModelLabels(min_labelled=least)
    return by_model(_items(hints), np.array(known), NAMES, spec, fake, 0, ledger, Quiet())


@pytest.mark.parametrize("scores", [True, False])
def test_a_model_labels_by_score_or_by_answer(scores: bool) -> None:
    fake, ledger = Fake(scores=scores), Ledger()
    hints = ["loan", "card", "lost card"] * 20
    found = _ask(fake, hints, [2, 0, 1] * 10 + [-1] * 30, ledger)
    assert [NAMES[b] for b in found.best] == hints
    assert (found.accuracy, found.labelled) == (1.0, 30)
    assert found.confidence.min() > 0.95  # all thirty were right: sharpened
    assert bool(fake.asked) != scores
    assert not ledger.entries


def test_a_model_that_is_often_wrong_is_less_sure() -> None:
    chance = np.random.default_rng(0)
    known = chance.integers(0, 3, 300)
    hints = [NAMES[k if chance.random() < 0.6 else (k + 1) % 3] for k in known]
    found = _ask(Fake(scores=True), hints, known.tolist(), Ledger())
    assert found.accuracy == pytest.approx(0.6, abs=0.08)
    assert found.confidence.mean() == pytest.approx(0.6, abs=0.08)
    assert found.ece_before is not None
    assert found.ece_after is not None
    assert found.ece_before > 0.2 > 0.1 > found.ece_after


def test_a_model_whose_answers_nobody_could_check_is_not_asked() -> None:
    fake = Fake(scores=False)
    found = _ask(fake, ["loan"] * 30, [2] * 19 + [-1] * 11, Ledger())
    assert not fake.asked
    assert (found.best.tolist(), found.labelled) == ([-1] * 30, 19)
    assert found.why.startswith("not asked: 19 labelled rows are too few")
    assert not _ask(fake, ["loan"] * 30, [2] * 20 + [-1] * 10, Ledger()).why
    assert len(fake.asked) == 30


def test_an_answer_without_a_label_stands_in_the_ledger() -> None:
    ledger = Ledger()
    found = _ask(Fake(scores=False), ["loan", "nothing", "card and loan"], [-1] * 3, ledger, 0)
    assert found.best.tolist() == [2, -1, -1]
    assert found.probabilities[1:].sum() == 0
    assert ledger.reasons("changed") == {"model named no single label": 2}
    assert ledger.entries[0].origin == "f:1"


def test_a_text_cannot_put_labels_into_the_prompt() -> None:
    fake = Fake(scores=False)
    items, spec = (
        [Item("r", "{labels} <loan>", "f:1")],
        ModelLabels(prompt="{labels}|{text}", min_labelled=0),
    )
    by_model(items, np.array([-1]), NAMES, spec, fake, 0, Ledger(), Quiet())
    assert fake.asked == ["card, lost card, loan|{labels} <loan>"]
    with pytest.raises(ValidationError, match="must hold"):
        ModelLabels(prompt="Which?")


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("Lost  card.", 1),
        ("**card**", 0),
        ("The label is: lost card", 1),
        ("cardboard", -1),
        ("a card or a loan", -1),
        ("", -1),
    ],
)
def test_the_label_an_answer_names(said: str, number: int) -> None:
    assert label_named(said, NAMES) == number


def _vectors(known: np.ndarray, noise: float) -> np.ndarray:
    chance = np.random.default_rng(1)
    found = np.eye(3, 12)[known] + chance.normal(size=(len(known), 12)) * noise
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_an_encoder_learns_from_few_labels_and_predicts_them_out_of_fold() -> None:
    pytest.importorskip("sklearn")
    truth = np.random.default_rng(0).integers(0, 3, 300)
    known = np.where(np.arange(300) < 60, truth, -1)
    found = by_encoder(_vectors(truth, 0.15), known, 3, EncoderLabels(), 0)
    assert (found.best == truth)[60:].mean() > 0.95
    shuffled = np.random.default_rng(2).permutation(truth)
    wrong = np.where(np.arange(300) < 60, shuffled, -1)
    random = by_encoder(_vectors(truth, 0.15), wrong, 3, EncoderLabels(), 0)
    assert random.accuracy is not None
    assert random.accuracy < 0.6  # in fold it would be near 1


def test_a_label_with_one_row_and_one_label_alone_are_no_error() -> None:
    pytest.importorskip("sklearn")
    vectors = _vectors(np.array([0, 1, 2, 0]), 0.1)
    spec = EncoderLabels(min_labelled=0)
    assert by_encoder(vectors, np.array([0, 1, -1, -1]), 3, spec, 0).best.tolist()[3] == 0
    nothing = by_encoder(vectors, np.array([0, -1, -1, 0]), 3, spec, 0)
    assert nothing.best.tolist() == [-1] * 4
    assert nothing.why == "2 rows of 1 labels teach it; it needs rows of two labels"
    assert by_encoder(vectors, np.array([0, 1, -1, -1]), 3, EncoderLabels(), 0).why
    assert by_encoder(vectors[:0], np.array([], dtype=int), 3, spec, 0).labelled == 0
