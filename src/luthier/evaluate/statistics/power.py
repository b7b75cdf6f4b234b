"""How many items a question needs, and what a number of items can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from luthier.core.statistics import Floats

MOST_ITEMS = 10_000_000
"""More items than this are told as "not to be settled"."""


def items_needed(
    gap: float,
    sd: float,
    *,
    sd_null: float | None = None,
    alpha: float = 0.05,
    sides: int = 2,
    power: float = 0.8,
) -> int | None:
    """Items with which a test finds a true difference as often as asked for.

    Of means by the normal distribution (Chow, Shao, Wang & Lokhnygina 2018, "Sample Size
    Calculations in Clinical Research", chapters 3 and 4).

    Args:
        gap: Between the true mean and the bound that is tested; its sign does not matter.
        sd: Of one item's value (of the difference of a pair), grouping included.
        sd_null: The same if the mean were the bound; ``sd`` without it.
        alpha: Share of false alarms.
        sides: 1 or 2.
        power: Share of tests that find it.

    Returns:
        At least 2; None from ``MOST_ITEMS`` on.
    """
    normal = NormalDist()
    null = sd if sd_null is None else sd_null
    reach = normal.inv_cdf(1 - alpha / sides) * null + normal.inv_cdf(power) * sd
    if not math.isfinite(reach) or reach >= abs(gap) * math.sqrt(MOST_ITEMS):
        return None
    return max(2, math.ceil((reach / gap) ** 2))


def power_of(n: int, gap: float, sd: float, *, alpha: float = 0.05, sides: int = 2) -> float:
    """How often a test of ``n`` items finds a true difference of ``gap``.

    Args:
        n: Items.
        gap: As in ``items_needed``.
        sd: As in ``items_needed``; above 0.
        alpha: As in ``items_needed``.
        sides: As in ``items_needed``.
    """
    normal = NormalDist()
    far, shift = normal.inv_cdf(1 - alpha / sides), abs(gap) * math.sqrt(n) / sd
    return normal.cdf(shift - far) + (normal.cdf(-shift - far) if sides == 2 else 0.0)


def smallest_gap(
    n: int, sd: float, *, alpha: float = 0.05, sides: int = 2, power: float = 0.8
) -> float:
    """The smallest true difference that ``n`` items find as often as asked for.

    Args:
        n: Items.
        sd: As in ``items_needed``.
        alpha: As in ``items_needed``.
        sides: As in ``items_needed``.
        power: As in ``items_needed``.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha / sides) + normal.inv_cdf(power)) * sd / math.sqrt(n)


def items_for_width(half: float, sd: float, *, confidence: float = 0.95) -> int:
    """Items whose interval reaches ``half`` to each side of the mean."""
    return max(2, math.ceil((NormalDist().inv_cdf((1 + confidence) / 2) * sd / half) ** 2))


def mcnemar_power(n: int, only_first: float, only_second: float, *, alpha: float = 0.05) -> float:
    """How often McNemar's exact test tells two routes apart.

    Summed over every number of items on which just one of them is right (Duffy 1984, "Asymptotic
    and exact power for the McNemar test", Biometrics 40).

    Args:
        n: Items.
        only_first: Share of items that only the first gets right.
        only_second: Share of items that only the second gets right.
        alpha: Of the two-sided test.
    """
    apart = only_first + only_second
    if not apart:
        return 0.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    of_all = _binomial(n, apart, logs)
    found = 0.0
    for tosses in np.flatnonzero(of_all > 1e-12):
        fair = np.cumsum(_binomial(int(tosses), 0.5, logs))
        fewest = int(
            np.searchsorted(2 * fair, alpha, side="right")
        )  # so many reject, from each end
        if fewest:
            seen = _binomial(int(tosses), only_first / apart, logs)
            found += float(of_all[tosses] * (seen[:fewest].sum() + seen[-fewest:].sum()))
    return found


def design_effect(values: Sequence[float] | Floats, groups: Sequence[str]) -> float:
    """By how many times grouping raises the variance of the mean (Kish 1965).

    Args:
        values: Of each item.
        groups: The group of each item; at least two.

    Returns:
        1 where items of one group are as unlike as any; also where nothing varies.
    """
    column = np.asarray(values, dtype=np.float64)
    names, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    off = np.bincount(members, weights=column - column.mean())
    alone = float(((column - column.mean()) ** 2).sum()) * len(column) / (len(column) - 1)
    together = float(off @ off) * len(names) / (len(names) - 1)
    return together / alone if alone > 0 else 1.0


def _binomial(n: int, share: float, logs: Floats) -> Floats:
    """Chance of each number of successes, 0 to n."""
    if share in (0.0, 1.0):
        certain: Floats = np.eye(n + 1)[int(n * share)]
        return certain
    k = np.arange(n + 1)
    ways = logs[n] - logs[k] - logs[n - k]
    chances: Floats = np.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))
    return chances
