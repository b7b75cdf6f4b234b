"""Items of a project's locked test side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from luthier.core.records import Example
from luthier.evaluate.metrics import FORM
from luthier.evaluate.suite import Item, Kind
from luthier.evaluate.suites.layouts import with_options
from luthier.models.generate import said


def from_examples(examples: Sequence[Example]) -> list[Item]:
    """Test examples as items: labels as classification, JSON as structured, others as questions."""
    return with_options([_item(example) for example in examples])


def choose(items: Sequence[Item], most: int | None) -> list[Item]:
    """At most so many items, by the hashes of their ids: a fair sample that more rows only extend.

    They keep their order.
    """
    if most is None or len(items) <= most:
        return list(items)
    kept = sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest())[:most]
    names = {item.id for item in kept}
    return [item for item in items if item.id in names]


def _item(example: Example) -> Item:
    kind: Kind = "qa"
    if example.label:
        kind = "classification"
    elif example.kind == FORM and _is_json(said(example.messages[-1])):
        kind = "structured"
    elif len(example.prompt) > 2:
        kind = "conversation"
    return Item(
        id=example.id,
        kind=kind,
        messages=example.prompt,
        references=(said(example.messages[-1]),),
        relevant=(example.document_id,) if example.document_id else (),
        group=example.group,
        tags=(example.kind,) if example.kind else (),
        origin=example.origin,
        tools=example.tools,
    )


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
