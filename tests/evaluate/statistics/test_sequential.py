"""Looking after every item keeps the error; an interval made for one look does not."""

import numpy as np
import pytest

from luthier.core.statistics import Floats
from luthier.evaluate.statistics.sequential import anytime_p, confidence_sequence


def _ties(random: np.random.Generator, n: int, share: float = 0.2) -> Floats:
    u = random.random(n)
    return (u < share).astype(float) - ((u >= share) & (u < 2 * share))


def test_false_alarms_over_all_looks_stay_nominal() -> None:
    random, trials = np.random.default_rng(5), 800
    betting = fixed = 0
    for _ in range(trials):
        off = _ties(random, 300)
        p = anytime_p(off, 0.0, span=(-1, 1), planned=300)
        betting += min(p) <= 0.025
        steps = np.arange(1, 301)
        means, squares = np.cumsum(off) / steps, np.cumsum(off**2) / steps
        se = np.sqrt((squares - means**2) / steps)[20:]
        fixed += bool((np.abs(means[20:]) > 1.96 * se).any())
    assert betting / trials <= 0.05 + 0.02
    assert fixed / trials > 0.15


def test_the_sequence_covers_at_all_times_and_never_widens() -> None:
    random, missed = np.random.default_rng(6), 0
    for _ in range(40):
        found = confidence_sequence(random.beta(2, 3, size=200))
        missed += bool(((found.lows > 0.4) | (found.highs < 0.4)).any())
        assert (np.diff(found.lows) >= 0).all()
        assert (np.diff(found.highs) <= 0).all()
    assert missed <= 5


def test_a_clear_difference_stops_early() -> None:
    u = np.random.default_rng(7).random(2000)
    off = (u < 0.35).astype(float) - (u > 0.9)
    found = confidence_sequence(off, span=(-1, 1))
    settled = found.settled(0.0)
    assert settled is not None
    assert settled < 400
    assert found.interval.low > 0.15
    assert found.interval.n == 2000
    assert found.settled(0.25) is None


def test_p_and_sequence_agree() -> None:
    off = _ties(np.random.default_rng(8), 400)
    found = confidence_sequence(off, span=(-1, 1))
    above, below = anytime_p(off, found.interval.low - 0.01, span=(-1, 1))
    assert above <= 0.025 < below
    above, below = anytime_p(off, found.interval.high + 0.01, span=(-1, 1))
    assert below <= 0.025 < above


def test_a_group_is_one_bet() -> None:
    random, wrong = np.random.default_rng(9), 0
    groups = [f"g{i // 10}" for i in range(300)]
    for _ in range(200):
        off = np.repeat(np.sign(random.normal(size=30)), 10)
        wrong += min(anytime_p(off, 0.0, span=(-1, 1), groups=groups)) <= 0.025
    assert wrong / 200 <= 0.07
    whole = confidence_sequence(off, span=(-1, 1), groups=groups)
    assert whole.items.tolist() == list(range(10, 301, 10))


def test_planning_narrows() -> None:
    off = _ties(np.random.default_rng(10), 1000)
    planned = confidence_sequence(off, span=(-1, 1), planned=1000).interval
    free = confidence_sequence(off, span=(-1, 1)).interval
    assert planned.high - planned.low < free.high - free.low


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    off = _ties(np.random.default_rng(11), 250)
    whole = confidence_sequence(off, span=(-1, 1))
    monkeypatch.setattr("luthier.evaluate.statistics.sequential._BLOCK", 33)
    again = confidence_sequence(off, span=(-1, 1))
    assert again.lows.tolist() == whole.lows.tolist()


def test_bounds_beyond_the_ends_are_certain() -> None:
    assert anytime_p([0.2, 0.4], -0.5) == (0.0, 1.0)
    assert anytime_p([0.2, 0.4], 1.5) == (1.0, 0.0)


def test_values_outside_the_span_are_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        confidence_sequence([0.5, 1.5])
    with pytest.raises(ValueError, match="at least one"):
        confidence_sequence([])
