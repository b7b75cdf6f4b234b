from __future__ import annotations

import numpy as np
import pytest

from luthier.data.annotate.calibrate import (
    Calibration,
    Method,
    calibrate,
    ece,
    measured,
    softmax,
)


def _overconfident(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from a model's probabilities, and log-probabilities sharpened threefold."""
    chance = np.random.default_rng(seed)
    true = softmax(chance.normal(size=(rows, 4)) * 1.5)
    labels = np.array([chance.choice(4, p=p) for p in true])
    return np.log(softmax(np.log(true) * 3)), labels


def test_ece_is_gap_of_confidence_and_accuracy() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.3])
    right = np.array([True, True, False, False, False, False])
    assert ece(confidence, right) == pytest.approx((4 * 0.4 + 2 * 0.3) / 6)
    assert ece(np.array([]), np.array([], dtype=bool)) == 0
    assert ece(np.array([1.0]), np.array([True])) == 0


def test_temperature_undoes_sharpening() -> None:
    logs, truth = _overconfident(4000)
    assert calibrate(logs, truth, "temperature").temperature == pytest.approx(3, abs=0.25)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_confidence_is_mended_on_rows_not_seen(method: Method) -> None:
    before, after = measured(*_overconfident(1500), method, seed=0)
    assert before > 0.15
    assert after < 0.06


def test_isotonic_is_scikit_learns() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    logs, truth = _overconfident(300)
    found = calibrate(logs, truth, "isotonic")
    chances = softmax(logs)
    most, right = chances.max(axis=1), chances.argmax(axis=1) == truth
    theirs = isotonic.IsotonicRegression().fit(most, right.astype(float))
    assert found.confidence(chances) == pytest.approx(theirs.predict(most))
    assert list(found.heights) == sorted(found.heights)


def test_below_the_first_step_the_first_height_holds() -> None:
    found = Calibration(steps=(0.5, 0.8), heights=(0.4, 0.9))
    chances = np.array([[0.4, 0.3, 0.3], [0.7, 0.2, 0.1], [0.9, 0.1, 0.0]])
    assert found.confidence(chances).tolist() == [0.4, 0.4, 0.9]


def test_no_rows_leave_scores_alone() -> None:
    empty = calibrate(np.zeros((0, 3)), np.zeros(0, dtype=int), "temperature")
    assert empty == Calibration()
    assert measured(np.zeros((0, 3)), np.zeros(0, dtype=int), "isotonic", 0) == (0, 0)
