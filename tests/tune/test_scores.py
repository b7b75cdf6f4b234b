"""Figures against scikit-learn's, and the temperature against the one put in."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from luthier.tune._scores import best_temperature, log_softmax, rare_labels, scores


def test_figures_are_scikit_learns() -> None:
    random = np.random.default_rng(1)
    right = random.choice(["a", "b", "c"], 80, p=[0.7, 0.2, 0.1]).tolist()
    said = [r if random.random() < 0.6 else random.choice(["a", "b", "c", "d"]) for r in right]
    found = scores(right, said)
    there = sorted(set(right))
    assert found["accuracy"] == pytest.approx(accuracy_score(right, said))
    assert found["macro_f1"] == pytest.approx(
        f1_score(right, said, labels=there, average="macro", zero_division=0)
    )
    expected = recall_score(right, said, labels=there, average=None, zero_division=0)
    assert list(found["recall"].values()) == pytest.approx(expected.tolist())
    assert found["macro_recall"] == pytest.approx(expected.mean())
    assert found["rows"] == 80


def test_a_label_never_said_has_no_recall() -> None:
    assert scores(["a", "b"], ["a", "a"])["recall"] == {"a": 1.0, "b": 0.0}


def test_log_softmax_stands_large_numbers() -> None:
    logs = log_softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]]))
    assert logs[0].tolist() == [0.0, -1000.0]
    assert np.exp(logs[1]).tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_is_found(temperature: float) -> None:
    random = np.random.default_rng(2)
    honest = random.normal(size=(20_000, 3)) * 2
    drawn = random.gumbel(size=honest.shape)  # the largest is a draw from the softmax
    targets = np.argmax(honest + drawn, axis=1)
    assert best_temperature(honest * temperature, targets) == pytest.approx(temperature, rel=0.05)


def test_without_rows_the_temperature_is_one() -> None:
    assert best_temperature(np.zeros((0, 3)), np.zeros(0, dtype=np.intp)) == 1.0


def test_labels_are_rare_below_half_the_mean() -> None:
    assert rare_labels({"a": 100, "c": 25, "b": 24, "d": 1, "e": 100}) == ("d", "b")
    assert rare_labels({"a": 30, "b": 10}) == ()  # 10 is half the mean, not less
    assert rare_labels({"a": 31, "b": 10}) == ("b",)
    assert rare_labels({}) == ()
