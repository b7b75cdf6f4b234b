"""Small runs for the tests of gates: every figure is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from luthier.evaluate.runs.rows import Row, RunRows, from_rows, write_run


def rows(
    n: int,
    *,
    groups: int = 0,
    latency_s: Sequence[float] = (),
    tags: Sequence[str] = ("even", "odd"),
) -> list[Row]:
    """Answered items ``q0`` to ``q<n-1>``; their tags and latencies come round in turn."""
    return [
        Row(
            item_id=f"q{i}",
            kind="qa",
            group=f"g{i // groups}" if groups else "",
            tags=(tags[i % len(tags)],) if tags else (),
            origin=f"suite.jsonl:{i + 1}",
            prompt="[]",
            prompt_ids_sha256="",
            reply="yes",
            reference="yes",
            prompt_tokens=10,
            completion_tokens=2,
            latency_s=latency_s[i % len(latency_s)] if latency_s else None,
            cost=None,
            finish_reason="stop",
            nll_nats=None,
            reference_tokens=None,
            option_nats=(),
            passage_ids=(),
            citations=(),
            error="",
        )
        for i in range(n)
    ]


def about(name: str = "new", suite: str = "faq", digest: str = "d1", **more: Any) -> dict[str, Any]:
    """What ``run.json`` says."""
    return {"answerer": {"name": name}, "suite": {"name": suite, "digest": digest}, **more}


def run(
    scores: Mapping[str, Sequence[float | None]],
    run: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    **items: Any,
) -> RunRows:
    """A run with these scores, written too if a folder is given."""
    n = len(next(iter(scores.values())))
    held = rows(n, **items)
    own = [{k: v[i] for k, v in scores.items() if v[i] is not None} for i in range(n)]
    told = run or about()
    if folder is not None:
        write_run(folder, held, own, told)  # type: ignore[arg-type]
    return from_rows(held, own, told, folder)  # type: ignore[arg-type]


def right(n: int, wrong: int) -> list[float]:
    """``n`` scores, the first ``wrong`` of them 0 and the others 1."""
    return [0.0] * wrong + [1.0] * (n - wrong)
