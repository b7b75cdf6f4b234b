"""The profile of a data set: what a person wants to see before anything is trained on it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import Document, Example
from luthier.data.split import count_sides

QUANTILES = {"min": 0.0, "p05": 0.05, "p50": 0.5, "p95": 0.95, "max": 1.0}
SAMPLES = 12


def profile(
    documents: Sequence[Document], examples: Sequence[Example], ledger: Ledger
) -> dict[str, Any]:
    """Counts, lengths, samples and refusals as plain JSON.

    Args:
        documents: The collected documents.
        examples: The examples with their sides.
        ledger: Of the stage that made them.
    """
    return {
        "documents": {
            "count": len(documents),
            "kinds": _counts(d.kind for d in documents),
            "packages": _counts(d.meta.get("package", "") for d in documents if d.meta),
            "parts": _counts((_part(d) for d in documents), limit=15),
            "characters": quantiles(len(d.text) for d in documents),
            "words": quantiles(len(d.text.split()) for d in documents),
        },
        "examples": {
            "count": len(examples),
            "groups": len({e.group for e in examples}),
            "sides": count_sides(examples),
            "kinds": _counts(e.kind for e in examples),
            "questions": _counts(_asked(e) for e in examples),
            "question_words": quantiles(len(e.question.split()) for e in examples),
            "answer_words": quantiles(len(e.answer.split()) for e in examples),
            "answer_characters": quantiles(len(e.answer) for e in examples),
        },
        "samples": [
            {"id": e.id, "side": e.side, "kind": e.kind, "origin": e.origin,
             "question": e.question[:500], "answer": e.answer[:500]}
            for e in _sample(examples)
        ],
        "refused": ledger.reasons(),
        "changed": ledger.reasons("changed"),
    }  # fmt: skip


def quantiles(values: Iterable[int]) -> dict[str, float]:
    """Smallest, 5 %, median, 95 % and largest; empty if there are no values."""
    data = np.fromiter(values, dtype=np.int64)
    if not len(data):
        return {}
    return {name: float(np.quantile(data, q)) for name, q in QUANTILES.items()}


def _counts(values: Iterable[str], limit: int | None = None) -> dict[str, int]:
    return dict(Counter(v for v in values if v).most_common(limit))


def _part(document: Document) -> str:
    """The package of a documented object, the host of a page, or the file."""
    if document.meta:
        return document.id.partition(".")[0]
    scheme, found, rest = document.origin.partition("://")
    return rest.partition("/")[0] if found else scheme.partition(":")[0]


def _asked(example: Example) -> str:
    """``summary``, ``default`` ...: from the ids of made questions; "" for rows."""
    asked = example.id.rpartition("?")[2] if example.document_id else ""
    return asked.partition("-")[0]


def _sample(examples: Sequence[Example]) -> list[Example]:
    return sorted(examples, key=lambda e: hashlib.sha256(e.id.encode()).digest())[:SAMPLES]
