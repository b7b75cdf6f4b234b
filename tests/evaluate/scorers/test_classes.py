"""Figures of classes are scikit-learn's, also where items count several times."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, roc_auc_score

from luthier.core.statistics import Floats
from luthier.evaluate.scorers.classes import auroc, macro_auroc, macro_f1, matthews

RANDOM = np.random.default_rng(3)
LABELS = ["a", "b", "c", "d"]
RIGHT = RANDOM.choice(LABELS[:3], 300).tolist()
SAID = [r if RANDOM.random() < 0.6 else str(RANDOM.choice(LABELS)) for r in RIGHT]
ONCE = np.ones((1, 300))
TIMES = RANDOM.integers(0, 3, (1, 300)).astype(np.float64)


def repeated(values: list[str], times: Floats) -> list[str]:
    return np.repeat(values, times[0].astype(int)).tolist()


@pytest.mark.parametrize("times", [ONCE, TIMES], ids=["once", "several times"])
def test_macro_f1_and_matthews_are_sklearns(times: Floats) -> None:
    right, said = repeated(RIGHT, times), repeated(SAID, times)
    f1 = f1_score(right, said, labels=sorted(set(right)), average="macro")
    assert macro_f1(RIGHT, SAID)(times)[0] == pytest.approx(f1, abs=1e-12)
    correlation = matthews_corrcoef(right, said)
    assert matthews(RIGHT, SAID)(times)[0] == pytest.approx(correlation, abs=1e-12)


@pytest.mark.parametrize("times", [ONCE, TIMES], ids=["once", "several times"])
def test_auroc_is_sklearns_with_ties(times: Floats) -> None:
    values = RANDOM.integers(0, 20, 300) / 20
    positive = (values + RANDOM.random(300) > 1).tolist()
    weights = times[0]
    wanted = roc_auc_score(positive, values, sample_weight=weights)
    assert auroc(values, positive)(times)[0] == pytest.approx(wanted, abs=1e-12)
    chances = RANDOM.dirichlet([1, 1, 1], 300)
    right = RANDOM.integers(0, 3, 300).tolist()
    repeats = weights.astype(int)
    wanted = roc_auc_score(
        np.repeat(right, repeats), np.repeat(chances, repeats, axis=0), multi_class="ovr"
    )
    assert macro_auroc(chances, right)(times)[0] == pytest.approx(wanted, abs=1e-12)


def test_what_says_nothing_is_no_number() -> None:
    one = np.ones((1, 3))
    assert np.isnan(auroc(np.array([0.1, 0.2, 0.3]), [True] * 3)(one)[0])
    assert matthews(["a", "a", "b"], ["a", "a", "a"])(one)[0] == 0
    assert np.isnan(macro_auroc(np.full((3, 2), 0.5), [1, 1, 1])(one)[0])
