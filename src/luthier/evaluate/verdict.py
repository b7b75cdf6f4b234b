"""Comparisons in words: who beats whom by how much, or that they cannot be told apart."""

from __future__ import annotations

import dataclasses

from luthier.core.statistics import Interval

OVERALL = "overall"


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """Two routes on the same items.

    Attributes:
        first: One route.
        second: The other.
        scope: ``overall`` or the kind of question.
        interval: Of the mean of first minus second.
        p: Two-sided p-value of the paired permutation test, unadjusted.
        p_holm: The same after Holm's adjustment for all comparisons made together.
        alpha: 1 minus the confidence: the largest ``p_holm`` that counts.
        only_first: Items that only the first route answered exactly.
        only_second: Items that only the second answered exactly.
        p_exact: McNemar's exact p-value of those two numbers, unadjusted.
    """

    first: str
    second: str
    scope: str
    interval: Interval
    p: float
    p_holm: float
    alpha: float
    only_first: int
    only_second: int
    p_exact: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero and the adjusted p-value agrees."""
        return self.interval.excludes_zero and self.p_holm <= self.alpha


def number(value: float, digits: int = 2) -> str:
    """A figure without a minus before zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def words(difference: Difference) -> str:
    """One comparison as a clause: ``rag beats base by 0.11 [0.08, 0.14]``."""
    first, second, interval = difference.first, difference.second, difference.interval
    mean, low, high = interval.mean, interval.low, interval.high
    if difference.clear and mean < 0:
        first, second, mean, low, high = second, first, -mean, -high, -low
    fine = high - low < 0.02 or (difference.clear and abs(mean) < 0.01)
    digits = 3 if fine else 2
    bounds = f"[{number(low, digits)}, {number(high, digits)}]"
    if difference.clear:
        return f"{first} beats {second} by {number(mean, digits)} {bounds}"
    return f"cannot tell {first} and {second} apart (difference {number(mean, digits)} {bounds})"


def headline(best: Difference, base: str, against_base: Difference | None) -> str:
    """The best route against the runner-up, and where the base stands.

    Args:
        best: Best route minus runner-up.
        base: Name of the base route.
        against_base: Best route minus base; None where the base is one of the two.
    """
    parts = [words(best)]
    if best.first == base:
        parts.append(f"no other route is better than {base}")
    elif against_base is not None:
        clause = words(against_base)
        wins_twice = best.clear and against_base.clear
        parts.append(clause.replace(f"{best.first} ", "it ", 1) if wins_twice else clause)
    opening = "" if best.scope == OVERALL else f"On {best.scope} questions "
    return opening + "; ".join(parts)


def alone(route: str, scope: str) -> str:
    """The headline when only one route was asked."""
    opening = "" if scope == OVERALL else f"On {scope} questions "
    return f"{opening}{route} was the only route asked, so there is nothing to compare"


def caveat(
    confidence: float, comparisons: int, groups: int, items: int, kinds: int, apart: int
) -> str:
    """How intervals and verdicts were made, in words for reports.

    Args:
        confidence: Of the intervals.
        comparisons: Size of the family that Holm's adjustment covers.
        groups: Groups the items come in.
        items: Items compared on.
        kinds: Kinds of question among them.
        apart: How many kinds are reported apart.
    """
    clustered = f"{items} items in {groups} groups" if groups < items else f"{items} items"
    text = (
        f"Intervals are {confidence * 100:g} % percentile bootstrap intervals over {clustered}, "
        "paired item by item and not adjusted for multiple comparisons. A route 'beats' another "
        "only if the interval excludes zero and the paired permutation test stays under "
        f"{1 - confidence:.2g} after Holm's adjustment for all {comparisons} comparisons made."
    )
    if kinds > max(apart, 1):
        text += f" Only the {apart} most frequent of {kinds} kinds are reported apart."
    return text
