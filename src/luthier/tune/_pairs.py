"""Questions and passages as token ids, with hard negatives mined where rows lack them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.models.load import Model
from luthier.setup.plan import Plan
from luthier.tune.mining import hard_negatives

if TYPE_CHECKING:
    from luthier.tune.tune import TuneSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A question with what answers it and what does not.

    Attributes:
        question: Its text.
        positive: The passage that answers it.
        negatives: Passages that do not.
        known: All passages that answer this question in any row.
        origin: Of its row.
    """

    question: str
    positive: str
    negatives: tuple[str, ...]
    known: frozenset[str]
    origin: str


def passage_text(document: Document) -> str:
    """A document as it is indexed: its title, then its text."""
    return f"{document.title}\n{document.text}" if document.title else document.text


def pairs_of(
    sides: Sequence[Sequence[Example]],
    documents: Sequence[Document],
    wanted: int,
    model: Model,
    tuning: TuneSpec,
    plan: Plan,
    ledger: Ledger,
) -> list[list[Pair]]:
    """The pairs of each side.

    A row without question or passage is refused. With several passages for one question each is a
    row, and none is a negative of another.

    Args:
        sides: Rows.
        documents: What rows name by ``document_id``; negatives are mined from these.
        wanted: Negatives for each row; no more are kept.
        model: Mines, where rows lack some.
        tuning: Its ``max_length`` counts.
        plan: Device and micro-batch.
        ledger: Gets refused rows.
    """
    texts = {document.id: passage_text(document) for document in documents}
    known: dict[str, set[str]] = {}
    for row in (row for side in sides for row in side):
        known.setdefault(row.question, set()).add(texts.get(row.document_id, row.answer))
    found = [
        [pair for row in side if (pair := _pair(row, texts, known, wanted, ledger))]
        for side in sides
    ]
    lacking = [p for side in found for p in side if len(p.negatives) < wanted]
    if lacking and wanted and texts:
        mined = _mined(lacking, list(dict.fromkeys(texts.values())), wanted, model, tuning, plan)
        found = [[mined.get(id(p), p) for p in side] for side in found]
    return found


def _pair(
    row: Example,
    texts: dict[str, str],
    known: dict[str, set[str]],
    wanted: int,
    ledger: Ledger,
) -> Pair | None:
    positive = texts.get(row.document_id, row.answer)
    if not row.question.strip() or not positive.strip():
        ledger.refuse("no question, or no passage that answers it", row.origin)
        return None
    own = frozenset(known[row.question])
    others = dict.fromkeys(m.content for m in row.rejected if m.content.strip())
    negatives = [text for text in others if text not in own][:wanted]
    return Pair(row.question, positive, tuple(negatives), own, row.origin)


def _mined(
    pairs: Sequence[Pair],
    passages: list[str],
    wanted: int,
    model: Model,
    tuning: TuneSpec,
    plan: Plan,
) -> dict[int, Pair]:
    """Pairs with as many negatives as are wanted, by their identity."""
    from luthier.tune._compared import vectors_of

    number = {text: i for i, text in enumerate(passages)}
    for pair in pairs:
        for text in pair.known:
            if text not in number:
                number[text] = len(passages)
                passages.append(text)
    places = vectors_of(model, passages, tuning, plan)
    asked = vectors_of(model, [pair.question for pair in pairs], tuning, plan)
    own = [[number[text] for text in pair.known] for pair in pairs]
    found = hard_negatives(asked, places, own, count=2 * wanted)
    made = {}
    for pair, numbers in zip(pairs, found, strict=True):
        more = [passages[i] for i in numbers if passages[i] not in pair.negatives]
        full = (*pair.negatives, *more)[:wanted]
        made[id(pair)] = dataclasses.replace(pair, negatives=full)
    return made


def tokens_of(
    texts: Sequence[str], model: Model, length: int, others: Sequence[str] | None = None
) -> list[list[int]]:
    """Token ids with special tokens; the longer part is cut where they are more than ``length``.

    Args:
        texts: Or the questions, where there are others.
        model: Its tokenizer is used.
        length: Most tokens of a row.
        others: Passages that are read behind the questions.
    """
    tokenizer: Any = model.tokenizer
    how: dict[str, Any] = {"truncation": True, "max_length": length, "verbose": False}
    if others is None:
        return [list(ids) for ids in tokenizer(list(texts), **how)["input_ids"]]
    return [list(ids) for ids in tokenizer(list(texts), list(others), **how)["input_ids"]]


def cut_short(ids: Sequence[Sequence[int]], length: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows are as long as may be: most of them were cut."""
    return np.array([len(one) >= length for one in ids], dtype=bool)
