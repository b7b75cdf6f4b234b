"""What a route costs: once, for each answer, for each update, and in a month.

Machine time is charged by the measured second. Tokens of an endpoint are charged at its prices, and
labels at the price of a person's time. A month's cost is::

    once / months + volume * one answer + updates * one update
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from luthier.evaluate.decision.spec import PricesSpec


@dataclasses.dataclass(frozen=True, slots=True)
class Effort:
    """What was spent on a route and its answers, as measured.

    Attributes:
        tuning_s: Seconds of tuning, and of training a classifier.
        indexing_s: Seconds in which the documents were indexed.
        labels: Answers written by people that it learns from or is shown.
        answer_s: Mean seconds of an answer asked alone.
        prompt_tokens: Mean tokens of a prompt.
        completion_tokens: Mean tokens of an answer.
        prompt_price: Of a million tokens of prompt at an endpoint.
        completion_price: Of a million tokens of answer there.
        remote: Whether an endpoint answers: then its tokens are charged, not the seconds.
        relabels: Whether an update of facts needs new labels and new tuning.
    """

    tuning_s: float = 0.0
    indexing_s: float = 0.0
    labels: int = 0
    answer_s: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    prompt_price: float = 0.0
    completion_price: float = 0.0
    remote: bool = False
    relabels: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a route costs, in the user's currency.

    Attributes:
        tuning: Once.
        indexing: Once.
        labels: Once.
        per_1000: Of a thousand answers.
        update: Of one update of facts.
    """

    tuning: float
    indexing: float
    labels: float
    per_1000: float
    update: float

    @property
    def once(self) -> float:
        """All that is paid before the first answer."""
        return self.tuning + self.indexing + self.labels


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """How a route will be used.

    Attributes:
        volume: Answers a month.
        updates: Updates of facts a month.
        months: Over which one-off costs are spread.
    """

    volume: float
    updates: float
    months: float


def cost_of(effort: Effort, prices: PricesSpec, per_hour: float, update_share: float) -> Cost:
    """Price what was measured.

    Args:
        effort: Of a route.
        prices: What things cost.
        per_hour: The price of an hour where ``prices`` names none.
        update_share: Share of the facts that change in an update.

    Returns:
        Its cost. An update indexes the changed share of the documents again, as a living index
        does; for a route that must learn the facts it means their labels and the tuning again.
    """
    hour = prices.per_hour if prices.per_hour is not None else per_hour
    tuning_hour = prices.tuning_per_hour if prices.tuning_per_hour is not None else hour
    tuning = effort.tuning_s / 3600 * tuning_hour
    indexing = effort.indexing_s / 3600 * hour
    labels = effort.labels * prices.per_label
    seconds = effort.answer_s / 3600 * hour * 1000
    tokens = (
        effort.prompt_tokens * effort.prompt_price
        + effort.completion_tokens * effort.completion_price
    ) / 1000
    anew = tuning + labels * update_share if effort.relabels else 0.0
    update = indexing * update_share + anew
    return Cost(tuning, indexing, labels, tokens if effort.remote else seconds, update)


def per_month(cost: Cost, use: Use) -> float:
    """What a month costs."""
    return cost.once / use.months + use.volume / 1000 * cost.per_1000 + use.updates * cost.update


def break_even_volume(first: Cost, second: Cost, use: Use) -> float | None:
    """Answers a month at which two routes cost the same; None if one is cheaper at any volume."""
    fixed = per_month(first, dataclasses.replace(use, volume=0)) - per_month(
        second, dataclasses.replace(use, volume=0)
    )
    return _crossing(fixed, (first.per_1000 - second.per_1000) / 1000)


def break_even_updates(first: Cost, second: Cost, use: Use) -> float | None:
    """Updates a month at which two routes cost the same; None if one is cheaper at any number."""
    fixed = per_month(first, dataclasses.replace(use, updates=0)) - per_month(
        second, dataclasses.replace(use, updates=0)
    )
    return _crossing(fixed, first.update - second.update)


def _crossing(fixed: float, slope: float) -> float | None:
    """Where ``fixed + slope * x`` is zero above zero."""
    if fixed == 0 or slope == 0 or (fixed > 0) == (slope > 0):
        return None
    return -fixed / slope


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other beats: (good, bad) pairs, more of the one and less of the other.

    Args:
        points: Quality and cost, or quality and latency.

    Returns:
        For each whether it is on the front: no other is at least as good in both and better in
        one.
    """
    return [
        not any(
            good >= own_good and bad <= own_bad and (good > own_good or bad < own_bad)
            for good, bad in points
        )
        for own_good, own_bad in points
    ]
