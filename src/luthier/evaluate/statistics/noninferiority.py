"""Whether a route is not worse than another by more than a margin set before."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from luthier.core.statistics import Floats, Interval
from luthier.evaluate.statistics.evidence import Span, evidence
from luthier.evaluate.statistics.power import items_needed

Standing = Literal["superior", "non-inferior", "inferior", "inconclusive"]


@dataclasses.dataclass(frozen=True, slots=True)
class NonInferiority:
    """What was found.

    Attributes:
        standing: ``superior``: the interval lies above 0; ``non-inferior``: above minus the
            margin; ``inferior``: below minus the margin; else ``inconclusive``.
        interval: Of the mean difference, new minus old.
        margin: Above 0.
        p: One-sided, against "worse by the margin or more".
        items_needed: Where inconclusive, items that would settle it in four cases of five if the
            difference is as seen; None where no number would, or none is needed.
    """

    standing: Standing
    interval: Interval
    margin: float
    p: float
    items_needed: int | None


def non_inferiority(
    differences: Sequence[float] | Floats,
    margin: float,
    *,
    groups: Sequence[str] | None = None,
    span: Span | None = (-1.0, 1.0),
    confidence: float = 0.95,
) -> NonInferiority:
    """Test that a route is not worse by more than a margin.

    One-sided at half of what the confidence leaves (2.5 % for 95 %), as is the custom (Piaggio,
    Elbourne, Pocock, Evans & Altman 2012, CONSORT for non-inferiority trials, JAMA 308).

    Args:
        differences: New minus old, of each item; higher is better.
        margin: The largest loss that is put up with; above 0.
        groups: The group of each item; None when items are independent.
        span: As in ``evidence.evidence``.
        confidence: Of the interval, between 0 and 1.

    Raises:
        ValueError: The margin is not above 0, or there are no items.
    """
    if margin <= 0:
        raise ValueError("a margin is above 0")
    found = evidence(differences, -margin, groups=groups, span=span, confidence=confidence)
    alpha = (1 - confidence) / 2
    standing: Standing = "inconclusive"
    if found.above <= alpha:
        level = evidence(differences, 0.0, groups=groups, span=span, confidence=confidence)
        standing = "superior" if level.above <= alpha else "non-inferior"
    elif found.below <= alpha:
        standing = "inferior"
    needed = None
    if standing == "inconclusive":
        gap = found.interval.mean + margin
        needed = items_needed(gap, found.sd, sd_null=found.sd_null, alpha=alpha, sides=1)
    return NonInferiority(standing, found.interval, margin, found.above, needed)
