"""GSM8K's published answers, families of comparisons, and what has no McNemar."""

import math

import numpy as np
import pytest

from luthier.evaluate.statistics.paired import family, paired

BOTH, NEITHER = 298, 660  # of 1,319: what the published unpaired p leaves open, within a few items


def test_gsm8k_is_clear_when_paired() -> None:
    first = np.array([1.0] * 209 + [0.0] * 152 + [1.0] * BOTH + [0.0] * NEITHER)
    second = np.array([0.0] * 209 + [1.0] * 152 + [1.0] * BOTH + [0.0] * NEITHER)
    found = paired(first, second)
    assert (found.only_first, found.only_second) == (209, 152)
    assert found.p_exact == pytest.approx(0.0032, abs=5e-5)
    assert found.p == pytest.approx(0.0032, abs=0.0015)
    assert found.interval.excludes_zero
    shares = first.mean(), second.mean()
    z = (shares[0] - shares[1]) / math.sqrt(sum(p * (1 - p) for p in shares) / len(first))
    assert math.erfc(z / math.sqrt(2)) == pytest.approx(0.021, abs=5e-4)  # unpaired: far less clear


def test_false_alarms_of_a_family_are_nominal() -> None:
    random, alarms, loose = np.random.default_rng(2), 0, 0
    for trial in range(200):
        found = {
            str(i): paired(
                random.normal(size=40), random.normal(size=40), resamples=400, seed=trial
            )
            for i in range(5)
        }
        alarms += any(p <= 0.05 for p in family(found).values())
        loose += any(one.p <= 0.05 for one in found.values())
    assert alarms / 200 <= 0.09
    assert loose / 200 > 0.14


def test_scores_between_have_no_mcnemar() -> None:
    found = paired(np.array([0.5, 1.0, 0.2]), np.array([0.4, 1.0, 0.9]))
    assert (found.only_first, found.p_exact) == (None, None)
    assert (found.better, found.worse) == (1, 1)
