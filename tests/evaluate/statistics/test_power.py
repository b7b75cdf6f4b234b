"""Numbers of items against simulation and against full enumeration."""

import math

import numpy as np
import pytest

from luthier.core.statistics import mcnemar_exact
from luthier.evaluate.statistics.power import (
    design_effect,
    items_for_width,
    items_needed,
    mcnemar_power,
    power_of,
    smallest_gap,
)


def test_so_many_items_find_it_in_four_of_five_cases() -> None:
    n = items_needed(0.1, 0.5)
    assert n is not None
    means = np.random.default_rng(1).normal(0.1, 0.5, size=(4000, n))
    z = means.mean(axis=1) / (means.std(axis=1, ddof=1) / math.sqrt(n))
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.025)
    assert power_of(n, 0.1, 0.5) == pytest.approx(0.8, abs=0.005)
    assert smallest_gap(n, 0.5) == pytest.approx(0.1, rel=0.01)


def test_the_textbook_number() -> None:
    assert items_needed(0.5, 1.0) == 32  # two-sided 5 %, power 80 %: 31.4
    assert items_needed(0.05, 0.0, sd_null=0.3, alpha=0.025, sides=1) == 139


def test_at_the_bound_no_number_settles_it() -> None:
    assert items_needed(0.0, 0.5) is None
    assert items_needed(1e-9, 0.5) is None
    assert items_needed(0.1, math.inf) is None


def test_power_without_a_difference_is_the_false_alarm() -> None:
    assert power_of(100, 0.0, 1.0) == pytest.approx(0.05)


def test_width() -> None:
    assert items_for_width(0.05, 0.5) == 385


@pytest.mark.parametrize(("n", "first", "second"), [(30, 0.3, 0.1), (50, 0.2, 0.2), (12, 0.9, 0.1)])
def test_mcnemars_power_is_that_of_every_table(n: int, first: float, second: float) -> None:
    third, found = 1 - first - second, 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            if mcnemar_exact(a, b) <= 0.05:
                ways = math.comb(n, a) * math.comb(n - a, b)
                found += ways * first**a * second**b * max(third, 0.0) ** (n - a - b)
    assert mcnemar_power(n, first, second) == pytest.approx(found, abs=1e-6)
    assert mcnemar_power(n, 0.0, 0.0) == 0.0


def test_design_effect_of_whole_groups_is_their_size() -> None:
    random = np.random.default_rng(2)
    groups = [str(i // 5) for i in range(5000)]
    assert design_effect(np.repeat(random.normal(size=1000), 5), groups) == pytest.approx(
        5, rel=0.1
    )
    assert design_effect(random.normal(size=5000), groups) == pytest.approx(1, abs=0.15)
    assert design_effect(np.ones(5000), groups) == 1.0
