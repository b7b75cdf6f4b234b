"""Diversity has known values where all texts are alike, or none."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.data.readiness.diversity import distinct_n, vendi_score


def test_distinct_n() -> None:
    assert distinct_n(["a b a b"], 1) == 0.5
    assert distinct_n(["a b a b"], 2) == pytest.approx(2 / 3)
    assert distinct_n(["a"], 2) == 0.0


def test_vendi_counts_what_differs() -> None:
    axes = np.eye(4, dtype=np.float32)
    assert vendi_score(axes) == pytest.approx(4)
    assert vendi_score(np.repeat(axes[:1], 5, axis=0)) == pytest.approx(1)
    assert vendi_score(np.repeat(axes[:2], 3, axis=0)) == pytest.approx(2)


def test_vendi_of_two_texts_is_the_closed_form() -> None:
    cosine = 0.6
    pair = np.array([[1, 0], [cosine, 0.8]], dtype=np.float32)
    p = np.array([(1 + cosine) / 2, (1 - cosine) / 2])
    assert vendi_score(pair) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)


def test_more_texts_than_dimensions_give_the_same_score_either_way() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    wide = np.pad(rows, ((0, 0), (0, 60)))
    assert vendi_score(rows) == pytest.approx(vendi_score(wide), rel=1e-6)
