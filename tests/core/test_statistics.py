"""Intervals cover, tests match oracles, groups widen what they should."""

import math

import numpy as np
import pytest

from luthier.core import statistics
from luthier.core.statistics import (
    bootstrap_mean,
    bootstrap_means,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    sign_flip_p,
    wilson,
)


def test_interval_covers_the_true_mean_about_95_percent_of_the_time() -> None:
    random = np.random.default_rng(11)
    hits = 0
    for trial in range(1000):
        sample = random.beta(0.7, 0.9, size=120)  # skewed to both ends, like token F1
        interval = bootstrap_mean(sample, resamples=1000, seed=trial)
        hits += interval.low <= 0.7 / 1.6 <= interval.high
    assert 0.93 <= hits / 1000 <= 0.97


def test_interval_over_groups_covers_where_one_over_items_does_not() -> None:
    random = np.random.default_rng(8)
    by_group = by_item = 0
    groups = [f"g{i // 6}" for i in range(240)]
    for trial in range(200):
        sample = np.repeat(random.normal(size=40), 6) + 0.2 * random.normal(size=240)
        wide = bootstrap_mean(sample, groups=groups, resamples=1000, seed=trial)
        narrow = bootstrap_mean(sample, resamples=1000, seed=trial)
        by_group += wide.low <= 0 <= wide.high
        by_item += narrow.low <= 0 <= narrow.high
    assert by_group / 200 >= 0.90
    assert by_item / 200 <= 0.75


def test_mean_is_over_items_also_with_uneven_groups() -> None:
    groups = ["big"] * 10 + [f"g{i}" for i in range(10)]
    interval = bootstrap_mean([1.0] * 10 + [0.0] * 10, groups=groups)
    assert interval.mean == pytest.approx(0.5)
    assert interval.n == 20


def test_few_groups_fall_back_to_items_but_not_for_p() -> None:
    values, groups = [1.0] * 20 + [0.5] * 20, ["a"] * 20 + ["b"] * 20
    assert bootstrap_mean(values, groups=groups) == bootstrap_mean(values)
    assert sign_flip_p(values, groups=groups) == pytest.approx(0.5, abs=0.03)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(50)
    whole = bootstrap_mean(values, resamples=2000)
    monkeypatch.setattr(statistics, "_CELLS", 50 * 100)
    assert bootstrap_mean(values, resamples=2000) == whole


def test_same_seed_same_interval_other_seed_another() -> None:
    values = np.random.default_rng(1).random(30)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_paired_interval_is_narrower_than_the_unpaired_ones() -> None:
    random = np.random.default_rng(2)
    hard = random.random(200)
    first, second = hard + 0.05 + 0.01 * random.random(200), hard
    paired = paired_bootstrap(first - second)
    assert paired.excludes_zero
    assert paired.high - paired.low < 0.01
    alone = bootstrap_mean(second)
    assert alone.high - alone.low > 0.05


def test_higher_confidence_is_wider() -> None:
    values = np.random.default_rng(1).random(60)
    narrow, wide = bootstrap_mean(values, confidence=0.8), bootstrap_mean(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_sign_flip_matches_full_enumeration() -> None:
    differences = np.array([0.3, 0.1, -0.2, 0.4, 0.05, 0.25, -0.1, 0.15])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_p(differences, resamples=40_000) == pytest.approx(exact, abs=0.01)


def test_no_difference_gives_p_of_one() -> None:
    assert sign_flip_p([0.0] * 20) == 1.0


def test_sign_flip_is_uniform_when_nothing_differs() -> None:
    random = np.random.default_rng(3)
    ps = [sign_flip_p(random.normal(size=30), resamples=1000, seed=i) for i in range(300)]
    assert np.mean(np.array(ps) < 0.05) == pytest.approx(0.05, abs=0.035)


def test_mcnemar_matches_published_discordant_counts() -> None:
    assert mcnemar_exact(209, 152) == pytest.approx(0.0032, abs=5e-5)
    assert mcnemar_exact(152, 209) == mcnemar_exact(209, 152)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (1, 0), (10, 2), (30, 11)])
def test_mcnemar_matches_binomial_by_integers(first: int, second: int) -> None:
    n, k = first + second, min(first, second)
    exact = min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)
    assert mcnemar_exact(first, second) == pytest.approx(exact, rel=1e-10)


def test_holm_on_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_no_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="2 values but 1 groups"):
        bootstrap_mean([1.0, 2.0], groups=["a"])


@pytest.mark.parametrize(("successes", "n"), [(0, 9), (9, 9), (3, 8), (734, 1508)])
def test_the_interval_of_a_share_is_wilsons(successes: int, n: int) -> None:
    scipy = pytest.importorskip("scipy.stats")
    wanted = scipy.binomtest(successes, n).proportion_ci(0.9, method="wilson")
    found = wilson(successes, n, confidence=0.9)
    assert (found.mean, found.n) == (successes / n, n)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_many_groups_of_few_values_are_drawn_as_counts_of_the_same_distribution() -> None:
    random = np.random.default_rng(5)
    right = (random.random(statistics.LARGE) < 0.3).astype(float)
    drawn = bootstrap_means(right, resamples=4000)
    one_by_one = bootstrap_means(right + 1e-9 * np.arange(len(right)), resamples=400)
    wanted = math.sqrt(right.mean() * (1 - right.mean()) / len(right))
    assert drawn.mean() == pytest.approx(right.mean(), abs=4 * wanted / math.sqrt(4000))
    assert drawn.std() == pytest.approx(wanted, rel=0.06)
    assert one_by_one.std() == pytest.approx(wanted, rel=0.15)
    groups = [str(i // 2) for i in range(2 * statistics.LARGE)]
    paired = bootstrap_means(np.repeat(right, 2), groups=groups, resamples=4000)
    assert paired.std() == pytest.approx(wanted, rel=0.06)


def test_signs_of_many_groups_agree_with_the_normal_distribution() -> None:
    differences = np.random.default_rng(6).normal(0.03, 1, size=statistics.LARGE)
    z = differences.sum() / math.sqrt((differences**2).sum())
    wanted = math.erfc(abs(z) / math.sqrt(2))
    assert sign_flip_p(differences, resamples=4000) == pytest.approx(wanted, abs=0.02)
    assert sign_flip_p(differences, seed=1) == sign_flip_p(differences, seed=1)


def test_samples_of_ordinary_size_stay_the_same_from_version_to_version() -> None:
    values = np.random.default_rng(9).random(40)
    found = bootstrap_mean(values, resamples=1000)
    assert (found.low, found.high) == pytest.approx(
        (0.4765873030828665, 0.6656082248588179), abs=1e-12
    )
    assert sign_flip_p(values - 0.4, resamples=1000) == pytest.approx(
        0.002997002997002997, abs=1e-12
    )


def test_folds_keep_groups_together_and_are_of_equal_size() -> None:
    groups = [f"g{n % 30}" for n in range(90)]
    fold = statistics.folds(groups, 5, 0)
    assert len({(group, int(at)) for group, at in zip(groups, fold, strict=True)}) == 30
    assert np.bincount(fold).tolist() == [18] * 5
    assert (fold == statistics.folds(groups, 5, 0)).all()
    assert set(statistics.folds(["a", "b", "a"], 5, 1).tolist()) == {0, 1}
    assert len(statistics.folds([], 5, 1)) == 0
