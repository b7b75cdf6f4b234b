"""Class weights against scikit-learn's and against the paper's limits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from luthier.data.balance._weights import balanced, effective_number

COUNTS = {"ask": 90, "pay": 9, "send": 1}


def test_balanced_weights_are_scikit_learns() -> None:
    rows = np.repeat(list(COUNTS), list(COUNTS.values()))
    expected = compute_class_weight("balanced", classes=np.array(list(COUNTS)), y=rows)
    assert list(balanced(COUNTS).values()) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.99999999])
def test_effective_number_is_the_papers(beta: float) -> None:
    raw = [(1 - beta) / (1 - beta**n) for n in COUNTS.values()]
    expected = [weight * len(raw) / sum(raw) for weight in raw]
    found = list(effective_number(COUNTS, beta).values())
    assert found == pytest.approx(expected, rel=1e-5)
    assert sum(found) == pytest.approx(3.0)


def test_effective_number_goes_from_even_to_inverse_frequency() -> None:
    assert effective_number(COUNTS, 0.0) == {"ask": 1.0, "pay": 1.0, "send": 1.0}
    almost = effective_number(COUNTS, 1 - 1e-12)
    assert almost["send"] / almost["ask"] == pytest.approx(90.0, rel=1e-4)
