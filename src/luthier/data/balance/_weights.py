"""Class weights from class counts."""

from __future__ import annotations

import math
from collections.abc import Mapping


def balanced(counts: Mapping[str, int]) -> dict[str, float]:
    """Weights inverse to frequency: ``n / (k * n_c)`` (King & Zeng 2001).

    What scikit-learn calls "balanced": every class as a whole then weighs the same, and the
    average row weighs 1.

    Args:
        counts: Rows of each class, each above 0.
    """
    total, classes = sum(counts.values()), len(counts)
    return {label: total / (classes * count) for label, count in counts.items()}


def effective_number(counts: Mapping[str, int], beta: float) -> dict[str, float]:
    """Weights inverse to the effective number of rows (Cui et al. 2019, equation 4).

    ``(1 - beta) / (1 - beta^n_c)``, scaled so that the weights sum to the number of classes.

    Args:
        counts: Rows of each class, each above 0.
        beta: From 0 (all weigh the same) to below 1 (towards inverse frequency).
    """
    if beta == 0.0:
        return dict.fromkeys(counts, 1.0)
    # 1 - beta^n without cancellation for a beta close to 1
    raw = {c: (1.0 - beta) / -math.expm1(n * math.log(beta)) for c, n in counts.items()}
    scale = len(raw) / sum(raw.values())
    return {label: weight * scale for label, weight in raw.items()}
