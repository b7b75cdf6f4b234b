"""Ask one route all items: answers in batches, latency one by one, likelihood of references."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from luthier.core.progress import Progress
from luthier.core.records import Example, Passage
from luthier.evaluate import metrics
from luthier.evaluate.answers import ItemResult
from luthier.models.generate import Generate, Reply, Sampling, Score, said

CHUNK = 32  # items handed over at once: a bar that moves, and bounded memory


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A route's answers.

    Attributes:
        rows: One for each item, in order.
        passages: Every passage in a prompt, by id.
        unstable: Items answered otherwise alone than in a batch (of those asked alone).
    """

    rows: list[ItemResult]
    passages: dict[str, Passage]
    unstable: int


def ask(
    name: str,
    route: Generate,
    items: Sequence[Example],
    sampling: Sampling,
    latency_items: int,
    progress: Progress,
    *,
    likelihood: bool = True,
) -> Asked:
    """Ask one route every item.

    Args:
        name: The route's name, for the rows.
        route: Who answers.
        items: Test examples.
        sampling: How to decode.
        latency_items: How many of the first items are asked once more, alone and timed; none
            with 0.
        progress: Gets one bar.
        likelihood: Also measure how likely the references are, where the route can tell.
    """
    timed = items[:latency_items]
    steps = (1 + likelihood) * len(items) + len(timed)
    with progress.task(f"ask {name}", total=steps) as task:
        replies: list[Reply] = []
        total_f1 = 0.0
        for chunk in _chunks(items):
            fresh = route.generate(
                [item.prompt for item in chunk], sampling, tools=[item.tools for item in chunk]
            )
            for item, reply in zip(chunk, fresh, strict=True):
                total_f1 += metrics.token_f1(reply.said, wanted(item), kind=item.kind)
            replies += fresh
            task.advance(len(chunk), f"F1 {total_f1 / len(replies):.3f}")
        latencies, unstable = [], 0
        for item in timed[:1]:  # warm, so that the first is not an outlier
            route.generate([item.prompt], sampling, tools=[item.tools])
        for item, batched in zip(timed, replies, strict=False):
            started = time.perf_counter()
            single = route.generate([item.prompt], sampling, tools=[item.tools])[0]
            latencies.append(time.perf_counter() - started)
            unstable += single.said != batched.said
            task.advance()
        scores: list[Score | None] = [] if likelihood else [None] * len(items)
        for chunk in _chunks(items) if likelihood else ():
            references = [i.messages[-1] if i.messages[-1].tool_calls else i.answer for i in chunk]
            scores += route.score(
                [i.prompt for i in chunk], references, tools=[i.tools for i in chunk]
            )
            task.advance(len(chunk))
    untimed: list[float | None] = [None] * (len(items) - len(timed))
    rows = [
        _row(name, *parts)
        for parts in zip(items, replies, scores, [*latencies, *untimed], strict=True)
    ]
    passages = {passage.id: passage for reply in replies for passage in reply.passages}
    return Asked(rows, passages, unstable)


def wanted(item: Example) -> str:
    """The reference answer of an item, its calls of tools as ``Reply.said`` writes them."""
    return said(item.messages[-1])


def _chunks(items: Sequence[Example]) -> list[Sequence[Example]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


def _row(
    route: str, item: Example, reply: Reply, score: Score | None, latency_s: float | None
) -> ItemResult:
    found = None
    if reply.passages and item.document_id:
        found = any(passage.document_id == item.document_id for passage in reply.passages)
    reference = wanted(item)
    return ItemResult(
        route=route,
        item_id=item.id,
        kind=item.kind,
        group=item.group,
        origin=item.origin,
        question=item.question,
        reference=reference,
        answer=reply.said,
        token_f1=metrics.token_f1(reply.said, reference, kind=item.kind),
        exact_match=metrics.exact_match(reply.said, reference, kind=item.kind),
        json_match=metrics.json_match(reply.said, reference, kind=item.kind),
        faithfulness=metrics.faithfulness(reply.text, [p.text for p in reply.passages]),
        source_found=found,
        nll_nats=score.nll_nats if score else None,
        reference_tokens=score.tokens if score else None,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        finish_reason=reply.finish_reason,
        passage_ids=tuple(passage.id for passage in reply.passages),
        citations=tuple(reply.citations),
        latency_s=latency_s,
    )
