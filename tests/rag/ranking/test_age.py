"""What age takes away."""

from __future__ import annotations

import pytest

from luthier.rag.ranking.age import day_of, recency

DAY_S = 86_400.0
NOW_S = 20_000 * DAY_S


def test_recency_halves_what_can_be_lost() -> None:
    assert recency(NOW_S, NOW_S, 30, 0.4) == 1.0
    assert recency(NOW_S - 30 * DAY_S, NOW_S, 30, 0.4) == pytest.approx(0.8)
    assert recency(NOW_S + DAY_S, NOW_S, 30, 0.4) == 1.0
    assert recency(0.0, NOW_S, 30, 0.4) == pytest.approx(0.6)


def test_a_day_is_told_in_words() -> None:
    assert day_of(0.0) == "no date"
    assert day_of(DAY_S * 1.5) == "changed on 1970-01-02"
