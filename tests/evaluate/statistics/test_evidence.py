"""False alarms are the nominal ones, where resampling would fail too."""

from collections.abc import Callable

import numpy as np
import pytest

from luthier.core.statistics import Floats
from luthier.evaluate.statistics.evidence import Evidence, evidence

Draw = Callable[[np.random.Generator], Floats]
GROUPS = [f"g{i // 6}" for i in range(240)]
UNEVEN = [f"g{k}" for k in np.minimum(np.random.default_rng(0).geometric(0.1, size=300), 40)]
FEW = [f"g{i // 6}" for i in range(30)]


def _right(share: float, n: int) -> Draw:
    return lambda random: (random.random(n) < share).astype(float)


def _changed(first: float, second: float, n: int) -> Draw:
    def draw(random: np.random.Generator) -> Floats:
        u = random.random(n)
        return (u < first).astype(float) - ((u >= first) & (u < first + second))

    return draw


def _grouped(groups: list[str]) -> Draw:
    members = np.unique(groups, return_inverse=True)[1]
    return lambda r: r.normal(size=members.max() + 1)[members] + 0.3 * r.normal(size=len(groups))


def _clustered(random: np.random.Generator) -> Floats:
    members = np.unique(UNEVEN, return_inverse=True)[1]
    return (random.random(300) < random.beta(3, 2, size=members.max() + 1)[members]).astype(float)


CASES = {
    "right or wrong": (_right(0.7, 60), 0.7, (0.0, 1.0), None),
    "nearly all right": (_right(0.95, 200), 0.95, (0.0, 1.0), None),
    "McNemar": (_changed(0.1, 0.1, 100), 0.0, (-1.0, 1.0), None),
    "non-inferior at the margin": (_changed(0.05, 0.1, 200), -0.05, (-1.0, 1.0), None),
    "hardly any differ": (_changed(0.0, 0.02, 50), -0.02, (-1.0, 1.0), None),
    "scores at both ends": (lambda r: r.beta(0.7, 0.9, 60), 0.7 / 1.6, (0.0, 1.0), None),
    "scores near one": (lambda r: r.beta(5, 0.5, 40), 5 / 5.5, (0.0, 1.0), None),
    "groups": (_grouped(GROUPS), 0.0, None, GROUPS),
    "few groups": (_grouped(FEW), 0.0, None, FEW),
    "uneven groups": (_clustered, 0.6, (0.0, 1.0), UNEVEN),
}


@pytest.mark.parametrize("name", CASES)
def test_false_alarms_are_nominal_on_each_side(name: str) -> None:
    draw, bound, span, groups = CASES[name]
    random, trials = np.random.default_rng(12), 800
    above = below = missed = 0
    for _ in range(trials):
        found = evidence(draw(random), bound, groups=groups, span=span)
        above += found.above <= 0.025
        below += found.below <= 0.025
        missed += not found.interval.low <= bound <= found.interval.high
    assert max(above, below) / trials <= 0.047  # 0.025 and four standard errors
    assert missed / trials <= 0.081


def _of(values: object, bound: float, **more: object) -> Evidence:
    return evidence(np.asarray(values, dtype=float), bound, **more)  # type: ignore[arg-type]


def test_interval_and_p_agree_on_what_is_clear() -> None:
    random = np.random.default_rng(3)
    for draw, bound, span, groups in CASES.values():
        if bound == 0.0 and span:
            continue  # McNemar's exact test is the stricter of the two
        found = evidence(draw(random), bound, groups=groups, span=span)
        for near in np.linspace(found.interval.low - 0.02, found.interval.high + 0.02, 9):
            again = evidence(draw(random), float(near), groups=groups, span=span)
            assert (again.above <= 0.025) == (again.interval.low >= near)
            assert (again.below <= 0.025) == (again.interval.high <= near)


def test_all_right_is_no_proof() -> None:
    found = _of([1.0] * 20, 0.9, span=(0.0, 1.0))
    assert found.interval.low == pytest.approx(0.8316, abs=1e-4)
    assert found.above > 0.025
    assert _of([1.0] * 60, 0.9, span=(0.0, 1.0)).above < 0.025


def test_groups_that_are_all_right_count_as_groups() -> None:
    groups = [f"g{i // 10}" for i in range(100)]
    found = _of([1.0] * 100, 0.9, span=(0.0, 1.0), groups=groups)
    assert found.method == "nearly all alike"
    assert found.above == pytest.approx(0.9**10)
    assert found.interval.low == pytest.approx(0.025 ** (1 / 10), abs=1e-6)


def test_one_value_without_ends_says_nothing() -> None:
    found = _of([3.0], 1.0)
    assert (found.above, found.below) == (1.0, 1.0)


def test_what_never_varies_is_itself() -> None:
    found = _of([0.0] * 30, 0.01, groups=[str(i // 2) for i in range(30)])
    assert (found.below, found.above, found.interval.high) == (0.0, 1.0, 0.0)


def test_groups_and_values_must_match() -> None:
    with pytest.raises(ValueError, match="2 values but 1 groups"):
        evidence([1.0, 2.0], 0.0, groups=["a"])
    with pytest.raises(ValueError, match="at least one"):
        evidence([], 0.0)
