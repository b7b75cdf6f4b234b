"""SMOTE and its kin: the vectors are imbalanced-learn's, the parents are the right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE

from luthier.data.balance._smote import SmoteMethod, synthesise

Cloud = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def cloud() -> Cloud:
    random = np.random.default_rng(9)
    vectors = np.concatenate([random.normal(0, 1, (60, 4)), random.normal(0.8, 1, (15, 4))])
    labels = np.array(["often"] * 60 + ["rare"] * 15)
    order = random.permutation(75)
    return vectors[order], labels[order]


def _oracle(method: SmoteMethod, seed: int) -> Any:
    goal = {"rare": 60}
    match method:
        case "smote":
            return SMOTE(sampling_strategy=goal, random_state=seed, k_neighbors=5)
        case "borderline":
            return BorderlineSMOTE(sampling_strategy=goal, random_state=seed, k_neighbors=5)
        case "adasyn":
            return ADASYN(sampling_strategy=goal, random_state=seed, n_neighbors=5)


@pytest.mark.parametrize("method", ["smote", "borderline", "adasyn"])
@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_imbalanced_learns_vectors(
    cloud: Cloud, method: SmoteMethod, seed: int
) -> None:
    vectors, labels = cloud
    expected, _ = _oracle(method, seed).fit_resample(vectors, labels)
    made = synthesise(
        vectors, labels.tolist(), "rare", 45, method=method, neighbour_count=5, seed=seed
    )
    assert made.method == method
    np.testing.assert_allclose(made.vectors, expected[75:])


@pytest.mark.parametrize("method", ["smote", "borderline", "adasyn"])
def test_each_vector_lies_between_its_parents(cloud: Cloud, method: SmoteMethod) -> None:
    vectors, labels = cloud
    made = synthesise(
        vectors, labels.tolist(), "rare", 45, method=method, neighbour_count=5, seed=3
    )
    first, second = vectors[made.first], vectors[made.second]
    assert set(labels[made.first]) == set(labels[made.second]) == {"rare"}
    there = np.linalg.norm(second - first, axis=1)
    by_way = np.linalg.norm(made.vectors - first, axis=1)
    by_way += np.linalg.norm(made.vectors - second, axis=1)
    np.testing.assert_allclose(by_way, there, rtol=1e-6)
    assert (made.first != made.second).all()


def test_a_single_row_is_repeated(cloud: Cloud) -> None:
    vectors, labels = cloud[0], cloud[1].tolist()
    labels[5] = "alone"
    made = synthesise(vectors, labels, "alone", 4, method="smote", neighbour_count=5, seed=0)
    assert made.method == "copy"
    assert (made.vectors == vectors[5]).all()
    assert made.first.tolist() == made.second.tolist() == [5] * 4


@pytest.mark.parametrize("size", [2, 4])
def test_small_classes_use_the_neighbours_there_are(cloud: Cloud, size: int) -> None:
    vectors, labels = cloud[0], ["often"] * 75
    for place in range(size):
        labels[place] = "few"
    made = synthesise(vectors, labels, "few", 30, method="smote", neighbour_count=5, seed=0)
    assert len(made.vectors) == 30
    assert set(made.first.tolist()) | set(made.second.tolist()) == set(range(size))


@pytest.mark.parametrize("method", ["borderline", "adasyn"])
def test_classes_far_from_all_others_fall_back_to_smote(method: SmoteMethod) -> None:
    random = np.random.default_rng(0)
    vectors = np.concatenate([random.normal(0, 1, (30, 2)), random.normal(100, 1, (12, 2))])
    labels = ["often"] * 30 + ["far"] * 12
    made = synthesise(vectors, labels, "far", 18, method=method, neighbour_count=5, seed=0)
    assert made.method == "smote"
    assert len(made.vectors) == 18
    assert (made.vectors > 50).all()
