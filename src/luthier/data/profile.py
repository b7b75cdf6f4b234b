"""The profile of a data set: what a person wants to see before anything is trained on it."""

from __future__ import annotations

import array
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from luthier.core.ledger import Ledger
from luthier.core.records import EVERYONE, Document, Example, Side
from luthier.data.split import told_sides

QUANTILES = {"min": 0.0, "p05": 0.05, "p50": 0.5, "p95": 0.95, "max": 1.0}
SAMPLES = 12


class Profile:
    """Counts, lengths and samples of documents and examples that are added one by one.

    Attributes:
        sides: Examples by (side, kind).
        groups: The side of each group.
        closed: Examples that say what not everyone may see.
    """

    def __init__(self) -> None:
        self.sides: Counter[tuple[Side, str]] = Counter()
        self.groups: dict[str, Side] = {}
        self.closed = 0
        self._seen_by: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._packages: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._document_sizes = {name: array.array("q") for name in ("characters", "words")}
        self._example_sizes = {
            name: array.array("q")
            for name in ("question_words", "answer_words", "answer_characters")
        }
        self._samples: list[tuple[int, int, dict[str, str]]] = []  # a heap, the last hash on top

    @property
    def documents(self) -> int:
        """How many there were."""
        return self._kinds.total()

    def add_document(self, document: Document) -> None:
        """Count one document."""
        self._kinds[document.kind] += 1
        self._seen_by[_seen_by(document)] += 1
        self._packages[document.meta.get("package", "")] += 1
        self._parts[_part(document)] += 1
        self._document_sizes["characters"].append(len(document.text))
        self._document_sizes["words"].append(len(document.text.split()))

    def add_example(self, example: Example) -> None:
        """Count one example, which has its side."""
        question, answer = example.question, example.answer
        self.sides[example.side, example.kind] += 1
        self.groups[example.group] = example.side
        self.closed += example.closed
        self._asked[_asked(example)] += 1
        self._example_sizes["question_words"].append(len(question.split()))
        self._example_sizes["answer_words"].append(len(answer.split()))
        self._example_sizes["answer_characters"].append(len(answer))
        place = -int.from_bytes(hashlib.sha256(example.id.encode()).digest())
        if len(self._samples) < SAMPLES or place > self._samples[0][0]:
            told = {
                "id": example.id,
                "side": example.side,
                "kind": example.kind,
                "origin": example.origin,
                "question": question[:500],
                "answer": answer[:500],
            }
            entry = (place, -self.sides.total(), told)
            if len(self._samples) < SAMPLES:
                heapq.heappush(self._samples, entry)
            else:
                heapq.heapreplace(self._samples, entry)

    def told(self, ledger: Ledger) -> dict[str, Any]:
        """All of it as plain JSON.

        Args:
            ledger: Of the stage that made the examples.
        """
        kinds: Counter[str] = Counter()
        for (_, kind), count in self.sides.items():
            kinds[kind] += count
        documents, examples = self._document_sizes, self._example_sizes
        return {
            "documents": {
                "count": self.documents,
                "kinds": _counts(self._kinds),
                "seen_by": _counts(self._seen_by),
                "packages": _counts(self._packages),
                "parts": _counts(self._parts, limit=15),
                **{name: quantiles(sizes) for name, sizes in documents.items()},
            },
            "examples": {
                "count": self.sides.total(),
                "groups": len(self.groups),
                "closed": self.closed,
                "sides": told_sides(self.sides),
                "kinds": _counts(kinds),
                "questions": _counts(self._asked),
                **{name: quantiles(sizes) for name, sizes in examples.items()},
            },
            "samples": [told for *_, told in sorted(self._samples, reverse=True, key=_first)],
            "refused": ledger.reasons(),
            "changed": ledger.reasons("changed"),
        }


def quantiles(values: Iterable[int]) -> dict[str, float]:
    """Smallest, 5 %, median, 95 % and largest; empty if there are no values."""
    data = np.fromiter(values, dtype=np.int64)
    if not len(data):
        return {}
    return {name: float(np.quantile(data, q)) for name, q in QUANTILES.items()}


def _first(entry: tuple[int, int, dict[str, str]]) -> tuple[int, int]:
    return entry[:2]


def _counts(counts: Counter[str], limit: int | None = None) -> dict[str, int]:
    return dict(Counter({name: n for name, n in counts.items() if name}).most_common(limit))


def _seen_by(document: Document) -> str:
    if EVERYONE in document.access:
        return EVERYONE
    return "those named" if document.access else "nobody"


def _part(document: Document) -> str:
    """The package of a documented object, the host of a page, or the file."""
    if "package" in document.meta:
        return document.id.partition(".")[0]
    scheme, found, rest = document.origin.partition("://")
    return rest.partition("/")[0] if found else scheme.partition(":")[0]


def _asked(example: Example) -> str:
    """``summary``, ``default`` ...: from the ids of made questions; "" for rows."""
    _, mark, asked = example.id.rpartition("?")
    return asked.partition("-")[0] if mark and example.document_id else ""
