"""From one served answer back to where it came from: bundle, weights, data, ``file:line``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from luthier.core.errors import ServeError, StoreError
from luthier.core.journal import AnswerRecord, Journal, LoggedPassage
from luthier.core.store import Artifact, Store, referred
from luthier.serve.bundle import BUNDLE, read_digest

# What the pipeline's stages make, in a reader's words.
_WORDS: Mapping[str, str] = {
    "bundle": "bundle",
    "tune": "tuned weights",
    "classify": "classifier",
    "model": "base model",
    "index": "retrieval index",
    "prepare": "dataset version",
    "collect": "documents",
    "evaluate": "evaluation",
    "compare": "evaluation",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One artifact of the chain.

    Attributes:
        what: Its role in a reader's words.
        name: Its folder's name in the store (``luthier show NAME``).
        facts: Counts and measures its stage left behind.
        settings: Its inputs that are not artifacts: sources by digest, models, Specs.
        made_from: Names of the artifacts it was made from.
    """

    what: str
    name: str
    facts: dict[str, str | int | float | bool]
    settings: dict[str, Any]
    made_from: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Trace:
    """An answer and all it came from.

    Attributes:
        answer: The logged line, its passages with ``file:line``.
        chain: The bundle's artifact and everything it was made from, nearest first.
        broken: Why the chain is incomplete, or "".
    """

    answer: AnswerRecord
    chain: tuple[Step, ...]
    broken: str = ""

    @property
    def cited(self) -> tuple[LoggedPassage, ...]:
        """The passages that verifiably support the answer."""
        return tuple(p for p in self.answer.passages if p.id in self.answer.citations)

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return {**dataclasses.asdict(self), "cited": [dataclasses.asdict(p) for p in self.cited]}


def trace(answer_id: str, journal: Journal, store: Store) -> Trace:
    """Follow one answer back.

    Args:
        answer_id: Its id, an unambiguous beginning of it, or ``last``.
        journal: The answer log.
        store: Where the bundle was made.

    Raises:
        StoreError: No such answer.
    """
    answer = journal.get(answer_id)
    bundle = _find_bundle(answer.bundle, store)
    if bundle is None:
        where = f"bundle {answer.bundle[:16]} is not in the store at {store.root}"
        return Trace(answer, (), f"{where}: it was deleted, or served from elsewhere")
    try:
        chain = store.lineage(bundle)
    except StoreError as error:
        return Trace(answer, (_step(bundle),), f"an artifact of the chain is gone: {error.what}")
    return Trace(answer, tuple(_step(one) for one in chain))


def render(found: Trace) -> RenderableType:
    """The trace as a screen of text."""
    answer = found.answer
    head = Table.grid(padding=(0, 2))
    rows = [
        ("answer", f"{answer.id}  {answer.at}"),
        ("question", answer.question),
        ("said", answer.answer or ("" if answer.tool_calls else "(nothing)")),
        *([("called", answer.tool_calls)] if answer.tool_calls else []),
        ("how", f"{answer.model}, route {answer.route}, bundle {answer.bundle[:16]}"),
        ("ended", (f"{answer.finish_reason} after {answer.latency_s:.2f} s, "
                  f"{answer.prompt_tokens} + {answer.completion_tokens} tokens")),
    ]  # fmt: skip
    for name, value in rows:
        head.add_row(Text(name, "bold"), Text(value))
    return Group(head, Text(), _passages(found), Text(), _chain(found))


def _passages(found: Trace) -> RenderableType:
    if not found.answer.passages:
        return Text("no passages: this route does not retrieve, or found nothing")
    table = Table(
        "passage", "origin", "score", "cited", title="in the prompt", title_justify="left"
    )
    for passage in found.answer.passages:
        cited = "yes" if passage.id in found.answer.citations else "no"
        table.add_row(Text(passage.title), Text(passage.origin), f"{passage.score:.3f}", cited)
    return table


def _chain(found: Trace) -> RenderableType:
    table = Table("made from", "artifact", "facts", title="lineage", title_justify="left")
    for step in found.chain:
        told = step.facts | {k: v for k, v in step.settings.items() if k not in step.facts}
        facts = [f"{name} {_short(value)}" for name, value in told.items()]
        table.add_row(step.what, Text(step.name), Text(", ".join(facts)))
    broken = Text(found.broken, "bold")
    return Group(*([table] if found.chain else []), *([broken] if found.broken else []))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:12] if is_digest else text if len(text) <= 60 else f"{text[:57]}..."


def _find_bundle(digest: str, store: Store) -> Artifact | None:
    for path in sorted((store.root / "artifacts").glob(f"*/{BUNDLE}")):
        try:
            if read_digest(path.parent) == digest:
                return store.open(path.parent.name)
        except (ServeError, StoreError):
            continue  # a damaged bundle cannot be the one that answered under this digest
    return None


def _step(artifact: Artifact) -> Step:
    plain = {
        name: value
        for name, value in artifact.summary.items()
        if isinstance(value, str | int | float | bool)
    }
    settings = {name: value for name, value in artifact.inputs.items() if not referred(value)}
    return Step(
        what=_WORDS.get(artifact.stage, artifact.stage),
        name=artifact.name,
        facts=plain,
        settings=settings,
        made_from=tuple(referred(artifact.inputs)),
    )
