"""Intervals of shares and means."""

from __future__ import annotations

import pytest

from luthier.data.augment._intervals import mean, share


def test_wilson_interval() -> None:
    # Agresti & Coull 1998, table: 0 of 10 gives (0, .2775); 5 of 10 gives (.2366, .7634)
    assert share(0, 10) == {"value": 0.0, "low": 0.0, "high": 0.2775, "n": 10}
    assert share(5, 10) == {"value": 0.5, "low": 0.2366, "high": 0.7634, "n": 10}
    assert share(0, 0)["value"] is None


def test_mean_and_its_interval() -> None:
    found = mean([1.0, 2.0, 3.0] * 30, seed=0)
    assert found["value"] == 2.0
    # normal approximation: 2 +- 1.96 * 0.8165 / sqrt(90)
    assert found["low"] == pytest.approx(1.83, abs=0.03)
    assert found["high"] == pytest.approx(2.17, abs=0.03)
    assert found == mean([1.0, 2.0, 3.0] * 30, seed=0)
    assert mean([], 0)["value"] is None
