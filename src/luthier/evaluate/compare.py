"""Ask every route the same locked questions, measure the answers, and say who is better."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from luthier.core.errors import ConfigError, DataError
from luthier.core.progress import Progress
from luthier.core.records import Example, Passage
from luthier.core.spec import Spec
from luthier.core.store import write_atomic
from luthier.evaluate._ask import ask
from luthier.evaluate._tally import tally
from luthier.evaluate.answers import ItemResult, write_answers
from luthier.evaluate.routes import Route
from luthier.models.generate import Generate, Sampling

COMPARE_VERSION = 2
COMPARISON = "comparison.json"


class EvaluateSpec(Spec):
    """How routes are compared."""

    routes: Annotated[tuple[Route, ...], Field(min_length=1)] = (
        "base",
        "few-shot",
        "rag",
        "fine-tuned",
        "rag+fine-tuned",
    )
    """Who is asked; the first is what the others are held against, unless ``base`` is there. A
    project with a section ``classifier`` has that route too where none are named."""
    max_items: Annotated[int, Field(ge=1)] = 300
    """Largest number of test questions asked."""
    few_shot: Annotated[int, Field(ge=1)] = 4
    """Worked examples in the prompt of the ``few-shot`` route."""
    metric: Literal["token_f1", "exact_match"] = "token_f1"
    """What routes are ranked by."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Coverage of the intervals."""
    resamples: Annotated[int, Field(ge=1000)] = 10_000
    """Bootstrap samples behind each interval, and sign patterns behind each p-value."""
    latency_items: Annotated[int, Field(ge=1)] = 40
    """Questions asked one at a time to measure latency."""
    price_per_hour: Annotated[float, Field(ge=0)] = 0.10
    """Price of an hour of this machine, for the cost of 1,000 answers."""
    currency: str = "USD"
    """Of that price."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 48
    """Longest answer, in tokens."""


def select_items(examples: Sequence[Example], max_items: int) -> list[Example]:
    """A stable subset of test examples, in the order of their hashes.

    The order depends on ids alone, so adding rows later can only insert items, never reshuffle
    them, and any first few items are a fair sample of all.

    Raises:
        DataError: No examples, or one that is not on the test side.
    """
    if not examples:
        raise DataError(
            "there are no test questions to compare routes on",
            mend="Collect more rows or give the test side a larger share in the project file.",
        )
    stray = next((example for example in examples if example.side != "test"), None)
    if stray is not None:
        raise DataError(
            f"'{stray.id}' is on the {stray.side or 'unsplit'} side, not the test side",
            where=stray.origin,
        )
    return sorted(examples, key=lambda e: hashlib.sha256(e.id.encode()).digest())[:max_items]


def compare(
    spec: EvaluateSpec,
    items: Sequence[Example],
    routes: Mapping[str, Generate],
    folder: Path,
    progress: Progress,
    seed: int,
) -> dict[str, Any]:
    """Ask, measure and compare; a stage function.

    Writes ``answers.parquet`` (one ``ItemResult`` for each route and item),
    ``passages.parquet`` (what stood in prompts) and ``comparison.json`` (the summary).

    Args:
        spec: How to compare.
        items: Test examples, from ``select_items``.
        routes: Who answers, by the names in ``spec.routes``.
        folder: Where to write.
        progress: One bar for each route, with its running token F1.
        seed: Of decoding and of the resampling.

    Returns:
        The content of ``comparison.json``; its layout stands at ``_tally.tally``.

    Raises:
        ConfigError: A route is asked for that nobody answers, or one stands there twice.
        DataError: No items.
    """
    missing = [route for route in spec.routes if route not in routes]
    if missing or len(set(spec.routes)) < len(spec.routes):
        what = f"nobody answers for {', '.join(missing)}" if missing else "a route stands twice"
        raise ConfigError(
            what,
            where="evaluate.routes",
            mend="'rag' routes need a rag section, 'fine-tuned' ones a tune section, 'classifier' "
            "a section of that name.",
        )
    if not items:
        raise DataError("there are no items to compare routes on")
    sampling = Sampling(max_new_tokens=spec.max_new_tokens, temperature=0.0, top_p=1.0, seed=seed)
    rows: list[ItemResult] = []
    passages: dict[str, Passage] = {}
    unstable: dict[str, int] = {}
    for name in spec.routes:
        asked = ask(name, routes[name], items, sampling, spec.latency_items, progress)
        rows += asked.rows
        passages.update(asked.passages)
        unstable[name] = asked.unstable
    write_answers(folder, rows, passages)
    summary = tally(spec, rows, unstable, seed)
    write_atomic(folder / COMPARISON, json.dumps(summary, indent=2, ensure_ascii=False))
    return summary


def read_comparison(folder: Path) -> dict[str, Any]:
    """Read ``comparison.json`` of a comparison's folder."""
    loaded: dict[str, Any] = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    return loaded
