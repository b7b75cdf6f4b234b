"""A margin: what is shown, what is not, and how often it is wrongly shown."""

import numpy as np
import pytest

from luthier.core.statistics import Floats
from luthier.evaluate.statistics.noninferiority import non_inferiority


def _off(random: np.random.Generator, better: float, worse: float, n: int) -> Floats:
    u = random.random(n)
    return (u < better).astype(float) - ((u >= better) & (u < better + worse))


def test_at_the_margin_it_is_wrongly_shown_in_one_of_forty_cases() -> None:
    random, wrong = np.random.default_rng(1), 0
    for _ in range(1000):
        found = non_inferiority(_off(random, 0.06, 0.11, 250), 0.05)
        wrong += found.standing in ("superior", "non-inferior")
    assert 0.01 <= wrong / 1000 <= 0.04


@pytest.mark.parametrize(
    ("better", "worse", "n", "standing"),
    [
        (40, 5, 400, "superior"),
        (10, 10, 400, "non-inferior"),
        (5, 60, 400, "inferior"),
        (8, 10, 60, "inconclusive"),
    ],
)
def test_standings(better: int, worse: int, n: int, standing: str) -> None:
    off = np.array([1.0] * better + [-1.0] * worse + [0.0] * (n - better - worse))
    found = non_inferiority(off, 0.05)
    assert found.standing == standing
    assert (found.items_needed is not None) == (standing == "inconclusive")


def test_the_items_told_settle_it_in_four_of_five_cases() -> None:
    off = np.array([1.0] * 8 + [-1.0] * 9 + [0.0] * 83)
    needed = non_inferiority(off, 0.05).items_needed
    assert needed is not None
    random, shown = np.random.default_rng(3), 0
    for _ in range(300):
        found = non_inferiority(_off(random, 0.08, 0.09, needed), 0.05)
        shown += found.standing != "inconclusive"
    assert shown / 300 == pytest.approx(0.8, abs=0.08)


def test_a_margin_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        non_inferiority([0.0, 1.0], 0.0)
