"""95 % intervals of shares and means in the robustness report."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_Z = 1.959963984540054  # 97.5 % point of the normal distribution


def share(part: int, whole: int) -> dict[str, float | int | None]:
    """A share with its Wilson interval (E. Wilson 1927, JASA 22).

    Args:
        part: How many had it.
        whole: Out of how many; with 0 there is no share.
    """
    if not whole:
        return {"value": None, "low": None, "high": None, "n": 0}
    p = part / whole
    centre = (p + _Z**2 / (2 * whole)) / (1 + _Z**2 / whole)
    half = _Z / (1 + _Z**2 / whole) * math.sqrt(p * (1 - p) / whole + _Z**2 / (4 * whole**2))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return {"value": round(p, 4), "low": round(low, 4), "high": round(high, 4), "n": whole}


def mean(values: Sequence[float], seed: int) -> dict[str, float | int | None]:
    """A mean with its percentile bootstrap interval (Efron & Tibshirani 1993, section 13.3).

    Args:
        values: Any number; with none there is no mean.
        seed: Of the resampling.
    """
    if not values:
        return {"value": None, "low": None, "high": None, "n": 0}
    seen = np.asarray(values, dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(0, len(seen), size=(2000, len(seen)))
    low, high = np.quantile(seen[chosen].mean(axis=1), [0.025, 0.975])
    return {
        "value": round(float(seen.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "n": len(seen),
    }
