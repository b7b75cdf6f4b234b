"""Answers, items and documents for the tests of the decision; every figure is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luthier.core.records import Example, Message, Passage
from luthier.evaluate.answers import ItemResult
from luthier.evaluate.compare import EvaluateSpec
from luthier.evaluate.decide import DecideSpec
from luthier.evaluate.decision.candidates import Candidate
from luthier.evaluate.decision.costs import Effort
from luthier.evaluate.decision.diagnosis import Reason
from luthier.evaluate.decision.spec import TunedSpec
from luthier.evaluate.decision.weigh import CurvePoint, Evidence, Measured, weigh

COUNT = 60
HOW = EvaluateSpec(resamples=1000)
QUALITY = {"base": 0, "rag": 40, "fine-tuned": 12, "rag+fine-tuned": 55}


def passage(document: str, text: str, start: int = 0) -> Passage:
    name = f"{document}#{start}"
    return Passage(name, document, document, text, f"{document}.py:1", start, start + len(text))


def item(number: int, answer: str = "", *, kind: str = "fact", document: str = "") -> Example:
    turns = (
        Message("user", f"When was bridge {number} built?"),
        Message("assistant", answer or f"In the year {1700 + number}."),
    )
    name = str(number)
    return Example(name, turns, f"faq.csv:{name}", name, kind, document or f"bridge {name}", "test")


def row(one: Example, answer: str, route: str = "rag", **more: Any) -> ItemResult:
    right = answer == one.answer
    told: dict[str, Any] = {
        "token_f1": float(right), "exact_match": right, "json_match": None, "faithfulness": None,
        "source_found": None, "nll_nats": None, "reference_tokens": None, "prompt_tokens": 20,
        "completion_tokens": 5, "finish_reason": "stop", "passage_ids": (), "citations": (),
        "latency_s": 0.1, **more,
    }  # fmt: skip
    return ItemResult(
        route=route,
        item_id=one.id,
        kind=one.kind,
        group=one.group,
        origin=one.origin,
        question=one.question,
        reference=one.answer,
        answer=answer,
        **told,
    )


class Shelf:
    """A corpus that knows a passage for each bridge."""

    def near(self, texts: Sequence[str], count: int) -> list[list[Passage]]:
        found = []
        for text in texts:
            number = next((int(w) for w in text.split() if w.isdigit()), 0)
            found.append(self.of_document(f"bridge {number}"))
        return found

    def of_document(self, document_id: str) -> list[Passage]:
        number = int(document_id.split()[-1])
        return [passage(document_id, f"Bridge {number} was built in the year {1700 + number}.")]


def measured(name: str, right: int, items: Sequence[Example], **effort: Any) -> Measured:
    """A candidate that answers the first so many items as they should be."""
    shown = "rag" in name
    rows, reasons = [], list[Reason]()
    for number, one in enumerate(items):
        good = number < right
        ids = (f"bridge {one.id}#0",) if shown else ()
        said = one.answer if good else "It was built by giants long ago."
        rows.append(row(one, said, name, passage_ids=ids, citations=ids if good else ()))
        reasons.append("right" if good else "not read" if shown else "not known")
    passages = {p.id: p for one in items for p in Shelf().of_document(one.document_id) if shown}
    tuned = TunedSpec() if "fine-tuned" in name else None
    spent = Effort(indexing_s=30.0 if shown else 0.0, answer_s=0.1, **effort)
    route: Any = name
    return Measured(Candidate(name, route, tuned), tuple(rows), passages, spent, tuple(reasons))


def evidence(quality: dict[str, int] | None = None) -> Evidence:
    """Four routes on sixty items, and a point of a learning curve."""
    items = [item(n) for n in range(COUNT)]
    efforts: dict[str, dict[str, Any]] = {
        "fine-tuned": {"tuning_s": 360.0, "labels": 500, "relabels": True},
        "rag+fine-tuned": {"tuning_s": 360.0, "labels": 500},
    }
    found = [
        measured(name, right, items, **efforts.get(name, {}))
        for name, right in (quality or QUALITY).items()
    ]
    fewer = measured("rag+fine-tuned", 30, items)
    return Evidence(
        "bridges",
        tuple(found),
        tuple(items),
        Shelf(),
        curved="rag+fine-tuned",
        curve=(CurvePoint(250, fewer.rows),),
        train_rows=500,
    )


def decision(spec: DecideSpec | None = None, quality: dict[str, int] | None = None) -> Any:
    """The whole decision on them."""
    return weigh(spec or DecideSpec(), HOW, evidence(quality), seed=0)
