"""Seeds and items: parts of the variance are found again, and intervals hold for other seeds."""

import numpy as np
import pytest

from luthier.core.statistics import Floats
from luthier.evaluate.statistics.evidence import evidence
from luthier.evaluate.statistics.spread import difference_of_runs, mean_of_runs, spread


def _runs(random: np.random.Generator, seeds: int, hard: Floats, shake: float) -> Floats:
    own = random.normal(0, shake, size=(seeds, 1))
    return hard + own + random.normal(0, 0.1, size=(seeds, len(hard)))


def test_training_and_decoding_are_told_apart() -> None:
    random = np.random.default_rng(1)
    training = np.repeat(random.normal(0, 0.05, size=300), 4)
    means = training + random.normal(0, 0.02, size=1200)
    found = spread(np.tile(means[:, None], 3), trainings=[str(i // 4) for i in range(1200)])
    assert found.training_sd == pytest.approx(0.05, rel=0.12)
    assert found.decoding_sd == pytest.approx(0.02, rel=0.1)
    assert found.noise == pytest.approx(1.96 * 2**0.5 * (0.05**2 + 0.02**2) ** 0.5, rel=0.1)


def test_one_run_knows_no_spread() -> None:
    found = spread(np.random.default_rng(2).random((1, 50)))
    assert (found.training_sd, found.decoding_sd, found.noise) == (None, None, None)
    assert found.items_se > 0


def test_decoding_alone() -> None:
    runs = np.random.default_rng(3).random((5, 40))
    found = spread(runs, trainings=["a"] * 5)
    assert found.training_sd is None
    assert found.decoding_sd == pytest.approx(runs.mean(axis=1).std(ddof=1))


def test_false_alarms_of_a_difference_are_nominal_where_items_alone_err() -> None:
    random, trials = np.random.default_rng(4), 300
    both = alone = 0
    for _ in range(trials):
        hard = random.random(200)
        first, second = (_runs(random, 4, hard, 0.03) for _ in range(2))
        found = difference_of_runs(first, second)
        both += not found.interval.low <= 0 <= found.interval.high
        alone += evidence(first[0] - second[0], 0.0).above <= 0.025
    assert both / trials <= 0.09
    assert alone / trials > 0.15


def test_the_mean_of_runs_covers() -> None:
    random, missed = np.random.default_rng(5), 0
    for _ in range(400):
        found = mean_of_runs(_runs(random, 5, random.random(100), 0.05))
        missed += not found.interval.low <= 0.5 <= found.interval.high
    assert missed / 400 <= 0.08


def test_p_values_agree_with_the_interval() -> None:
    random = np.random.default_rng(6)
    found = mean_of_runs(_runs(random, 3, random.random(60), 0.02), groups=["a", "b", "c"] * 20)
    assert found.above(found.interval.low) == pytest.approx(0.025, abs=1e-6)
    assert found.below(found.interval.high) == pytest.approx(0.025, abs=1e-6)


def test_runs_that_never_vary_are_certain() -> None:
    found = difference_of_runs(np.ones((2, 9)), np.zeros((2, 9)))
    assert (found.above(0.5), found.below(0.5), found.interval.low) == (0.0, 1.0, 1.0)


def test_one_item_has_no_spread() -> None:
    with pytest.raises(ValueError, match="two items"):
        spread(np.ones((2, 1)))
