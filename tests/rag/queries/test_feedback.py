"""Rocchio on vectors."""

from __future__ import annotations

import numpy as np

from luthier.rag.queries.feedback import rocchio

OWN = np.array([1.0, 0.0], np.float32)


def test_the_question_moves_towards_the_mean_of_its_passages() -> None:
    found = np.array([[0, 1], [1, 0]], np.float32)
    moved = rocchio(OWN, found, alpha=1.0, beta=1.0)
    np.testing.assert_allclose(moved, np.array([1.5, 0.5]) / np.sqrt(2.5), rtol=1e-6)
    near = rocchio(OWN, found, alpha=100.0, beta=1.0)
    assert near @ OWN > moved @ OWN


def test_nothing_found_moves_nothing() -> None:
    np.testing.assert_array_equal(rocchio(OWN, np.empty((0, 2), np.float32), alpha=1, beta=1), OWN)
