"""Intervals of figures that are no mean over items, such as macro-F1 or corpus BLEU.

Items are drawn with replacement, whole groups at once, and the figure is computed anew from how
often each was drawn (the bootstrap: Efron & Tibshirani 1993; by groups: Field & Welsh 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from luthier.core.statistics import FEWEST_GROUPS, Floats, Interval

DRAWS = 1000
_CELLS = 1_000_000  # of one block of draws

Weighed = Callable[[Floats], Floats]
"""A figure, from how often each item counts: shape (draws, items) to (draws,)."""


def resampled(
    weighed: Weighed,
    groups: Sequence[str],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    draws: int = DRAWS,
) -> Interval:
    """A figure over items with its percentile interval.

    Args:
        weighed: The figure; nan where a draw says nothing, such as one of a single class.
        groups: The group of each item; with few groups single items are drawn.
        confidence: Coverage aimed at, between 0 and 1.
        seed: Of the draws.
        draws: How many.

    Returns:
        The figure in ``mean``. Its interval always holds it: figures that count distances, such
        as the calibration error, come out larger in a draw than they are.
    """
    n = len(groups)
    names, members = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    size = len(names)
    if size < FEWEST_GROUPS:
        size, members = n, np.arange(n)
    mean = float(weighed(np.ones((1, n)))[0])
    random = np.random.default_rng(seed)
    found = []
    block = max(1, _CELLS // max(n, size))
    for start in range(0, draws, block):
        drawn = random.multinomial(size, np.full(size, 1 / size), min(block, draws - start))
        found.append(weighed(drawn[:, members].astype(np.float64)))
    figures = np.concatenate(found)
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return Interval(mean, mean, mean, n)
    tail = (1 - confidence) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(mean, min(float(low), mean), max(float(high), mean), n)
