"""What a model wrote, read back: pairs of question and answer, or why there is none."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from luthier.core.records import EVERYONE, Document, Example

_PAIR = re.compile(
    r"^[\s*#\d.)-]*(?:question|text|instruction)\**\s*:\**\s*(?P<question>.*?)"
    r"^[\s*#-]*(?:answer|label|response)\**\s*:\**\s*(?P<answer>.*?)"
    r"(?=^[\s*#\d.)-]*(?:question|text|instruction)\**\s*:|\Z)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """One row as a model wrote it.

    Attributes:
        question: The user's turn.
        answer: The assistant's turn.
        method: Which way of writing made it.
        parent: Id of the training row it was made from, or "".
        origin: Where its source stands.
        group: Of the source: the row stays on its side.
        kind: Of the source.
        document_id: The document it was made from, or "".
        label: For classification rows, equal to the answer.
        closed: As the row's it was made from; for a document, whether not everyone may see it.
    """

    question: str
    answer: str
    method: str
    parent: str
    origin: str
    group: str
    kind: str
    document_id: str = ""
    label: str = ""
    closed: bool = False


def from_row(question: str, answer: str, method: str, source: Example) -> Draft:
    """A draft made from a training row."""
    return Draft(
        question.strip(),
        answer.strip(),
        method,
        source.id,
        source.origin,
        source.group,
        source.kind,
        source.document_id,
        answer.strip() if source.label else "",
        source.closed,
    )


def from_document(question: str, answer: str, method: str, source: Document) -> Draft:
    """A draft made from a document."""
    return Draft(
        question.strip(),
        answer.strip(),
        method,
        "",
        source.origin,
        source.group,
        "synthetic",
        source.id,
        closed=EVERYONE not in source.access,
    )


def pairs(text: str) -> list[tuple[str, str]]:
    """The ``Question: ... Answer: ...`` pairs in a reply; empty if it has none.

    ``Text:`` and ``Label:`` are read the same way, and list marks before them are passed over.
    """
    found = [(m["question"].strip(), m["answer"].strip()) for m in _PAIR.finditer(text)]
    return [(q, a) for q, a in found if q and a]


def shown(rows: Sequence[Example]) -> str:
    """Rows as they are shown to the model that writes more of them."""
    asks, answers = ("Text", "Label") if rows and rows[0].label else ("Question", "Answer")
    return "\n\n".join(f"{asks}: {r.question}\n{answers}: {r.answer}" for r in rows)
