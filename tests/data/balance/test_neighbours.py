"""Neighbours and clean-up rules against scikit-learn and imbalanced-learn."""

from __future__ import annotations

import numpy as np
import pytest
from imblearn.under_sampling import EditedNearestNeighbours, TomekLinks
from sklearn.neighbors import NearestNeighbors

from luthier.data.balance import _neighbours
from luthier.data.balance._neighbours import neighbours, outnumbered, tomek_links


@pytest.fixture
def cloud() -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(4)
    vectors = np.concatenate([random.normal(0, 1, (60, 3)), random.normal(1, 1, (20, 3))])
    return vectors, ["often"] * 60 + ["rare"] * 20


def test_neighbours_are_scikit_learns(
    cloud: tuple[np.ndarray, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_neighbours, "_BLOCK_ROWS", 7)  # several blocks, the last one short
    vectors, _ = cloud
    expected = NearestNeighbors(n_neighbors=6).fit(vectors).kneighbors(return_distance=False)
    found = neighbours(vectors, vectors, np.arange(80), 6)
    assert found.tolist() == expected.tolist()
    some = np.array([3, 70, 12])
    assert neighbours(vectors[some], vectors, some, 6).tolist() == expected[some].tolist()


def test_a_row_is_never_its_own_neighbour_even_among_twins() -> None:
    vectors = np.ones((4, 2))
    found = neighbours(vectors, vectors, np.arange(4), 3)
    assert all(sorted([place, *row]) == [0, 1, 2, 3] for place, row in enumerate(found.tolist()))


def test_tomek_links_are_imbalanced_learns(cloud: tuple[np.ndarray, list[str]]) -> None:
    vectors, labels = cloud
    oracle = TomekLinks(sampling_strategy="all")
    oracle.fit_resample(vectors, labels)
    kept = np.flatnonzero(~tomek_links(vectors, labels))
    assert kept.tolist() == sorted(oracle.sample_indices_.tolist())
    assert len(kept) < len(labels)


def test_outnumbered_rows_are_imbalanced_learns(cloud: tuple[np.ndarray, list[str]]) -> None:
    vectors, labels = cloud
    oracle = EditedNearestNeighbours(sampling_strategy="all", n_neighbors=3, kind_sel="mode")
    oracle.fit_resample(vectors, [int(label == "rare") for label in labels])  # mode takes numbers
    kept = np.flatnonzero(~outnumbered(vectors, labels))
    assert kept.tolist() == sorted(oracle.sample_indices_.tolist())
    assert len(kept) < len(labels)


def test_two_rows_are_enough() -> None:
    pair = np.array([[0.0, 1.0], [0.0, 2.0]])
    assert outnumbered(pair, ["a", "b"]).tolist() == [True, True]
    assert tomek_links(pair, ["a", "a"]).tolist() == [False, False]
