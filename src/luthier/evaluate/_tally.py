"""From answers row by row to the summary of a comparison."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from luthier.core.statistics import (
    Interval,
    bootstrap_mean,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    sign_flip_p,
)
from luthier.evaluate import metrics, verdict
from luthier.evaluate.answers import ItemResult
from luthier.evaluate.verdict import OVERALL, Difference

if TYPE_CHECKING:
    from luthier.evaluate.compare import EvaluateSpec

METRICS: dict[str, Callable[[ItemResult], float | bool | None]] = {
    "token_f1": lambda row: row.token_f1,
    "exact_match": lambda row: row.exact_match,
    "json_match": lambda row: row.json_match,
    "faithfulness": lambda row: row.faithfulness,
    "source_found": lambda row: row.source_found,
}
KINDS_APART = 4
"""Most kinds of question with figures of their own; more would drown the verdicts."""
Tables = dict[str, dict[str, list[ItemResult]]]  # scope -> route -> rows, items in one order


def tally(
    spec: EvaluateSpec, rows: Sequence[ItemResult], unstable: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """Summarise a comparison as plain JSON.

    A *scope* is ``overall`` or, where there is more than one, a frequent kind of question. An
    *interval* is ``{mean, low, high, n}``; a *difference* has ``first``, ``second``, ``mean``,
    ``low``, ``high`` (first minus second), ``p``, ``p_holm``, ``clear``, ``only_first``,
    ``only_second``, ``p_exact`` and ``words``.

    Returns:
        ``items``, ``groups``, ``kinds`` (counts), ``scopes``, ``metric``, ``confidence``,
        ``resamples``, ``base``, ``price_per_hour``, ``currency``, ``max_new_tokens``,
        ``method`` (in words);
        ``routes``: route -> ``{token_f1, exact_match, json_match, faithfulness, source_found:
        {scope: interval or None}, perplexity: {scope: float or None}, scored, latency_p50_s,
        latency_p95_s, latency_mean_s, latency_n, cost_per_1000, finish: {stop, length,
        context}, prompt_tokens, completion_tokens, batch_differs}``;
        ``ranking``: scope -> routes, best first; ``against_base``: scope -> route ->
        difference; ``neighbours``: scope -> differences down the ranking; ``headline``:
        scope -> sentence.
    """
    kinds = Counter(row.kind for row in rows if row.route == spec.routes[0])
    tables = _tables(spec, rows, kinds)
    scopes = list(tables)
    base = "base" if "base" in spec.routes else spec.routes[0]
    routes: dict[str, Any] = {
        route: _route(spec, {s: tables[s][route] for s in scopes}, unstable[route], seed)
        for route in spec.routes
    }
    ranking: dict[str, list[str]] = {
        scope: sorted(spec.routes, key=lambda r: -routes[r][spec.metric][scope]["mean"])
        for scope in scopes
    }
    found = _differences(spec, tables, ranking, base, seed)
    first_rows = tables[OVERALL][spec.routes[0]]
    groups = len({_group(row) for row in first_rows})
    return {
        "items": len(first_rows),
        "groups": groups,
        "kinds": dict(sorted(kinds.items())),
        "scopes": scopes,
        "metric": spec.metric,
        "confidence": spec.confidence,
        "resamples": spec.resamples,
        "base": base,
        "price_per_hour": spec.price_per_hour,
        "currency": spec.currency,
        "max_new_tokens": spec.max_new_tokens,
        "method": verdict.caveat(
            spec.confidence, len(found), groups, len(first_rows), len(kinds), len(scopes) - 1
        ),
        "routes": routes,
        "ranking": ranking,
        **_verdicts(spec, ranking, found, base),
    }


def _tables(spec: EvaluateSpec, rows: Sequence[ItemResult], kinds: Counter[str]) -> Tables:
    named = [kind for kind in kinds if kind != OVERALL]
    frequent = sorted(named, key=lambda kind: (-kinds[kind], kind))[:KINDS_APART]
    return {
        scope: {
            route: [r for r in rows if r.route == route and scope in (OVERALL, r.kind)]
            for route in spec.routes
        }
        for scope in ([OVERALL, *sorted(frequent)] if len(kinds) > 1 else [OVERALL])
    }


def cost_per_1000(seconds: float, price_per_hour: float) -> float:
    """Price of 1,000 answers given one after the other on one machine.

    Args:
        seconds: Mean seconds an answer takes when asked alone. Batching makes it cheaper.
        price_per_hour: Of the machine.
    """
    return seconds / 3600 * price_per_hour * 1000


def _route(
    spec: EvaluateSpec, tables: Mapping[str, list[ItemResult]], unstable: int, seed: int
) -> dict[str, Any]:
    rows = tables[OVERALL]
    latencies = [row.latency_s for row in rows if row.latency_s is not None]
    finish = Counter(row.finish_reason for row in rows)
    mean_s = float(np.mean(latencies))
    return {
        **{
            name: {s: _mean(spec, table, name, seed) for s, table in tables.items()}
            for name in METRICS
        },
        "perplexity": {s: _perplexity(table) for s, table in tables.items()},
        "scored": sum(row.nll_nats is not None for row in rows),
        "latency_p50_s": float(np.quantile(latencies, 0.5)),
        "latency_p95_s": float(np.quantile(latencies, 0.95)),
        "latency_mean_s": mean_s,
        "latency_n": len(latencies),
        "cost_per_1000": cost_per_1000(mean_s, spec.price_per_hour),
        "finish": {reason: finish[reason] for reason in ("stop", "length", "context")},
        "prompt_tokens": float(np.mean([row.prompt_tokens for row in rows])),
        "completion_tokens": float(np.mean([row.completion_tokens for row in rows])),
        "batch_differs": unstable,
    }


def _mean(
    spec: EvaluateSpec, rows: Sequence[ItemResult], name: str, seed: int
) -> dict[str, Any] | None:
    values = [(METRICS[name](row), _group(row)) for row in rows]
    kept = [(float(value), group) for value, group in values if value is not None]
    if not kept:
        return None
    interval = bootstrap_mean(
        [value for value, _ in kept],
        groups=[group for _, group in kept],
        confidence=spec.confidence,
        resamples=spec.resamples,
        seed=seed,
    )
    return dataclasses.asdict(interval)


def _group(row: ItemResult) -> str:
    """What is resampled together: an item without a group stands alone."""
    return row.group or f"item {row.item_id}"


def _perplexity(rows: Sequence[ItemResult]) -> float | None:
    value = metrics.perplexity(
        (row.nll_nats, row.reference_tokens)
        for row in rows
        if row.nll_nats is not None and row.reference_tokens is not None
    )
    return value if value is None or np.isfinite(value) else None  # JSON has no infinity


Pair = tuple[str, str, str]  # scope, first, second


def _differences(
    spec: EvaluateSpec, tables: Tables, ranking: Mapping[str, list[str]], base: str, seed: int
) -> dict[Pair, Difference]:
    """Neighbours in rank order, and each route minus base, with one Holm adjustment for all."""
    pairs: list[Pair] = []
    for scope, order in ranking.items():
        pairs += [(scope, a, b) for a, b in itertools.pairwise(order)]
        pairs += [(scope, r, base) for r in order if r != base]
    wanted: dict[tuple[str, frozenset[str]], Pair] = {}
    for pair in pairs:
        wanted.setdefault((pair[0], frozenset(pair[1:])), pair)
    measured = [_measure(spec, tables[s][a], tables[s][b], seed) for s, a, b in wanted.values()]
    adjusted = holm([p for _, p, _, _ in measured])
    return {
        pair: Difference(
            first=pair[1],
            second=pair[2],
            scope=pair[0],
            interval=interval,
            p=p,
            p_holm=p_holm,
            alpha=1 - spec.confidence,
            only_first=only_first,
            only_second=only_second,
            p_exact=mcnemar_exact(only_first, only_second),
        )
        for pair, (interval, p, only_first, only_second), p_holm in zip(
            wanted.values(), measured, adjusted, strict=True
        )
    }


def _measure(
    spec: EvaluateSpec, first: Sequence[ItemResult], second: Sequence[ItemResult], seed: int
) -> tuple[Interval, float, int, int]:
    metric = METRICS[spec.metric]
    pairs = list(zip(first, second, strict=True))
    assert all(a.item_id == b.item_id for a, b in pairs), "routes answered other items"
    differences = [float(metric(a) or 0) - float(metric(b) or 0) for a, b in pairs]
    groups = [_group(a) for a, _ in pairs]
    interval = paired_bootstrap(
        differences,
        groups=groups,
        confidence=spec.confidence,
        resamples=spec.resamples,
        seed=seed,
    )
    p = sign_flip_p(differences, groups=groups, resamples=spec.resamples, seed=seed)
    only_first = sum(a.exact_match and not b.exact_match for a, b in pairs)
    only_second = sum(b.exact_match and not a.exact_match for a, b in pairs)
    return interval, p, only_first, only_second


def _turned(difference: Difference) -> Difference:
    """The same difference as second minus first."""
    i = difference.interval
    return dataclasses.replace(
        difference,
        first=difference.second,
        second=difference.first,
        interval=Interval(-i.mean, -i.high, -i.low, i.n),
        only_first=difference.only_second,
        only_second=difference.only_first,
    )


def _verdicts(
    spec: EvaluateSpec,
    ranking: Mapping[str, list[str]],
    found: Mapping[Pair, Difference],
    base: str,
) -> dict[str, Any]:
    def between(scope: str, first: str, second: str) -> Difference:
        direct = found.get((scope, first, second))
        return direct if direct is not None else _turned(found[scope, second, first])

    headline, neighbours, against = dict[str, str](), dict[str, Any](), dict[str, Any]()
    for scope, order in ranking.items():
        neighbours[scope] = [_plain(between(scope, a, b)) for a, b in itertools.pairwise(order)]
        against[scope] = {r: _plain(between(scope, r, base)) for r in spec.routes if r != base}
        if len(order) == 1:
            headline[scope] = verdict.alone(order[0], scope)
            continue
        best = between(scope, order[0], order[1])
        apart = base not in (best.first, best.second)
        headline[scope] = verdict.headline(
            best, base, between(scope, order[0], base) if apart else None
        )
    return {"against_base": against, "neighbours": neighbours, "headline": headline}


def _plain(difference: Difference) -> dict[str, Any]:
    interval = difference.interval
    return {
        "first": difference.first,
        "second": difference.second,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "p": difference.p,
        "p_holm": difference.p_holm,
        "clear": difference.clear,
        "only_first": difference.only_first,
        "only_second": difference.only_second,
        "p_exact": difference.p_exact,
        "words": verdict.words(difference),
    }
