"""Every ensemble learns, gives probabilities of every label, repeats, and minds row weights."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from luthier.core.errors import ResourceError
from luthier.tune._ensembles import (
    AdaBoost,
    Bagging,
    Forest,
    GradientBoosting,
    fit_ensemble,
    takes_row_weights,
)

PLAIN = [
    Bagging(estimators=3),
    Bagging(estimators=3, base="tree"),
    Forest(estimators=20),
    AdaBoost(estimators=10),
    GradientBoosting(iterations=15),
]
BALANCED = [
    Bagging(estimators=3, balanced=True),
    Forest(estimators=20, balanced=True),
    AdaBoost(estimators=10, balanced=True),
]


def points(seed: int, apart: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = np.repeat(np.arange(3), (80, 40, 12))
    centres = np.random.default_rng(50).normal(size=(3, 5)) * apart
    return (centres[targets] + random.normal(size=(132, 5))).astype(np.float32), targets


@pytest.mark.parametrize("spec", [*PLAIN, *BALANCED], ids=str)
def test_ensembles_learn_and_repeat(spec: Bagging | Forest | AdaBoost | GradientBoosting) -> None:
    vectors, targets = points(0)
    fresh, right = points(1)
    found = fit_ensemble(spec, vectors, targets, None, seed=4)(fresh)
    assert found.shape == (132, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
    assert (found.argmax(axis=1) == right).mean() > 0.75
    again = fit_ensemble(spec, vectors, targets, None, seed=4)(fresh)
    assert np.array_equal(found, again)


@pytest.mark.parametrize("spec", PLAIN, ids=str)
def test_heavy_rows_are_predicted_more_often(
    spec: Bagging | Forest | AdaBoost | GradientBoosting,
) -> None:
    vectors, targets = points(0)
    fresh, _ = points(1)
    assert takes_row_weights(spec)
    weights = np.where(targets == 2, 60.0, 1.0)
    plain = fit_ensemble(spec, vectors, targets, None, seed=4)(fresh)
    heavy = fit_ensemble(spec, vectors, targets, weights, seed=4)(fresh)
    if isinstance(spec, Forest) or (isinstance(spec, Bagging) and spec.base == "tree"):
        assert not np.array_equal(heavy, plain)  # deep trees fit every row, whatever it weighs
    else:
        assert heavy[:, 2].sum() > plain[:, 2].sum()


@pytest.mark.parametrize("spec", BALANCED, ids=str)
def test_balanced_ensembles_find_more_of_the_rare(spec: Bagging | Forest | AdaBoost) -> None:
    assert not takes_row_weights(spec)
    vectors, targets = points(0, 0.6)
    fresh, right = points(1, 0.6)
    plain = fit_ensemble(
        spec.model_copy(update={"balanced": False}), vectors, targets, None, seed=4
    )(fresh)
    even = fit_ensemble(spec, vectors, targets, None, seed=4)(fresh)
    assert even[right == 2, 2].mean() > plain[right == 2, 2].mean()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn", None)
    vectors, targets = points(0)
    with pytest.raises(ResourceError, match="pip install scikit-learn imbalanced-learn"):
        fit_ensemble(Forest(balanced=True), vectors, targets, None, seed=0)
