"""The two-sample tests against hand-made and exhaustive oracles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from luthier.monitor._samples import energy, kolmogorov_smirnov


def test_ks_distance_by_hand() -> None:
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 4.0, 5.0, 6.0, 7.0])
    assert kolmogorov_smirnov(a, b)[0] == pytest.approx(0.6)  # at 4: all of a, 2 of 5 of b
    assert kolmogorov_smirnov(b, a)[0] == pytest.approx(0.6)
    assert kolmogorov_smirnov(a, a) == (0.0, 1.0)
    assert kolmogorov_smirnov(a, a + 10)[0] == 1.0


@pytest.mark.parametrize(
    ("x", "p"),
    [(1.3581, 0.05), (1.6276, 0.01), (1.2238, 0.10), (1.9495, 0.001)],
)
def test_ks_critical_values_of_the_tables(x: float, p: float) -> None:
    # For large samples the correction vanishes: distance = x / root has p-value p.
    n = 20_000
    shift = round(x / np.sqrt(n / 2) * n)
    a = np.arange(n, dtype=np.float64)
    distance, found = kolmogorov_smirnov(a, a + shift)
    assert distance == pytest.approx(shift / n)
    assert found == pytest.approx(p, rel=0.03)


def test_ks_against_all_relabellings() -> None:
    a, b = np.array([0.1, 0.5, 0.9, 1.4, 2.2, 2.3]), np.array([1.0, 2.0, 2.9, 3.1, 3.5, 4.0, 5.0])
    both = np.concatenate([a, b])
    found, p = kolmogorov_smirnov(a, b)
    reached = []
    for chosen in itertools.combinations(range(len(both)), len(a)):
        mask = np.zeros(len(both), bool)
        mask[list(chosen)] = True
        reached.append(kolmogorov_smirnov(both[mask], both[~mask])[0] >= found - 1e-12)
    exact = float(np.mean(reached))
    assert 0.02 < exact < 0.2
    assert p == pytest.approx(exact, abs=0.03)


def test_ks_is_level_and_with_ties_careful() -> None:
    random = np.random.default_rng(1)
    for draw in (random.normal, lambda size: random.integers(0, 4, size).astype(np.float64)):
        alarms = [kolmogorov_smirnov(draw(size=120), draw(size=60))[1] < 0.05 for _ in range(400)]
        assert np.mean(alarms) < 0.08


def test_energy_by_hand() -> None:
    a, b = np.array([[0.0], [2.0]], np.float32), np.array([[1.0]], np.float32)
    # 2 E|A-B| = 2, E|A-A'| = 1, E|B-B'| = 0
    assert energy(a, b)[0] == pytest.approx(1.0)
    assert energy(a, a)[0] == pytest.approx(0.0)


def test_energy_sees_a_shift_and_only_that() -> None:
    random = np.random.default_rng(2)
    a = random.normal(size=(60, 8)).astype(np.float32)
    shifted = random.normal(0.7, size=(40, 8)).astype(np.float32)
    assert energy(a, shifted)[1] == 0.001
    calm = [energy(a, random.normal(size=(40, 8)).astype(np.float32))[1] for _ in range(60)]
    assert 0.3 < np.mean(calm) < 0.7
    assert np.mean(np.array(calm) < 0.05) < 0.15


def test_energy_repeats_itself() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, 30, 4)).astype(np.float32)
    assert energy(a, b) == energy(a, b)
    assert energy(a, b)[1] != energy(a, b, seed=1)[1]
