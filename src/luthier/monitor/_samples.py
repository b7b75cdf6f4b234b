"""Two-sample tests: do these two sets of values come from one source?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 999


def kolmogorov_smirnov(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """The two-sample Kolmogorov-Smirnov test.

    Args:
        a: One sample, at least one value.
        b: The other.

    Returns:
        The largest distance between the two empirical distribution functions (0 to 1) and its
        two-sided p-value by Kolmogorov's limit with Stephens' correction for small samples
        (Numerical Recipes, 14.3.3). With ties the p-value is too large rather than too small.
    """
    both = np.concatenate([a, b])
    below_a = np.searchsorted(np.sort(a), both, side="right") / len(a)
    below_b = np.searchsorted(np.sort(b), both, side="right") / len(b)
    distance = float(np.abs(below_a - below_b).max())
    root = np.sqrt(len(a) * len(b) / (len(a) + len(b)))
    return distance, _kolmogorov(float((root + 0.12 + 0.11 / root) * distance))


def _kolmogorov(x: float) -> float:
    """P(K > x) of Kolmogorov's distribution."""
    if x < 0.2:  # the series does not converge there; the value is 1 to twelve digits
        return 1.0
    k = np.arange(1, 101)
    terms = 2.0 * (-1.0) ** (k - 1) * np.exp(-2.0 * k**2 * x**2)
    return float(np.clip(terms.sum(), 0.0, 1.0))


def energy(a: NDArray[np.float32], b: NDArray[np.float32], *, seed: int = 0) -> tuple[float, float]:
    """The energy test on vectors: 2 E|A-B| - E|A-A'| - E|B-B'| (Székely and Rizzo, 2004).

    Args:
        a: One sample, a vector a row, at least one row.
        b: The other, of the same width.
        seed: Of the permutations.

    Returns:
        The energy distance (0 if and only if both come from one source) and the share of 999
        random relabellings, the true one counted in, that reach it: an exact p-value, at least
        0.001.
    """
    vectors = np.concatenate([a, b]).astype(np.float64)
    squares = (vectors**2).sum(1)
    gaps = squares[:, None] + squares[None, :] - 2.0 * vectors @ vectors.T
    distances = np.sqrt(np.maximum(gaps, 0.0))
    np.fill_diagonal(distances, 0.0)
    # Weights 1/n on one side and -1/m on the other make the statistic -w'Dw.
    weights = np.concatenate([np.full(len(a), 1 / len(a)), np.full(len(b), -1 / len(b))])
    random = np.random.default_rng(seed)
    shuffled = random.permuted(np.tile(weights, (PERMUTATIONS, 1)), axis=1)
    found = float(-weights @ distances @ weights)
    by_chance = -np.einsum("ij,ij->i", shuffled @ distances, shuffled)
    reached = int((by_chance >= found - 1e-12).sum())
    return max(found, 0.0), (reached + 1) / (PERMUTATIONS + 1)
