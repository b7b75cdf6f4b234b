"""Oracles: the worked examples of Krippendorff 2011 and Fleiss 1971, and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.annotate.agreement import (
    Level,
    agreement,
    alike,
    cohen_kappa,
    fleiss_kappa,
    interval,
    krippendorff_alpha,
    table,
)

# Krippendorff 2011, section C: four observers, twelve units, 0 where one said nothing.
OBSERVERS = {
    "A": (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    "B": (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    "C": (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    "D": (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
}
VOTES = {
    f"u{unit:02}": {who: str(said[unit]) for who, said in OBSERVERS.items() if said[unit]}
    for unit in range(12)
}
LABELS = ("1", "2", "3", "4", "5")
COUNTS = np.array(
    [[sum(said[u] == v for said in OBSERVERS.values()) for v in range(1, 6)] for u in range(12)],
    dtype=float,
)
# Fleiss 1971, table 1: thirty patients, six psychiatrists, five diagnoses.
DIAGNOSES = (
    "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 "
    "00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"
)


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_is_krippendorffs(level: Level, published: float) -> None:
    alpha = krippendorff_alpha(COUNTS, level, [1, 2, 3, 4, 5])
    assert alpha == pytest.approx(published, abs=5e-4)


def test_fleiss_kappa_is_fleiss() -> None:
    counts = np.array([[int(c) for c in row] for row in DIAGNOSES.split()], dtype=float)
    assert counts.sum() == 180
    assert fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)


def test_cohen_kappa_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    chance = np.random.default_rng(0)
    first = chance.choice(["a", "b", "c"], 200)
    second = np.where(chance.random(200) < 0.7, first, chance.choice(["a", "b", "c"], 200))
    assert cohen_kappa(first.tolist(), second.tolist()) == pytest.approx(
        metrics.cohen_kappa_score(first, second)
    )


def test_perfect_and_undefined() -> None:
    assert cohen_kappa(["a", "b"], ["a", "b"]) == 1
    assert math.isnan(cohen_kappa(["a", "a"], ["a", "a"]))
    assert math.isnan(krippendorff_alpha(np.array([[3.0, 0.0]])))
    assert krippendorff_alpha(np.array([[2.0, 0.0], [0.0, 2.0]])) == 1
    with pytest.raises(ValueError):
        fleiss_kappa(np.array([[2.0, 0.0], [3.0, 0.0]]))
    with pytest.raises(ValueError):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(ValueError):
        krippendorff_alpha(COUNTS, "interval", [1.0])


def test_an_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    covered = 0
    for trial in range(60):
        data = chance.normal(size=80)

        def mean(drawn: np.ndarray, data: np.ndarray = data) -> float:
            return float(data[drawn].mean())

        low, high = interval(80, mean, trial, draws=300)
        covered += low <= 0 <= high
    assert 51 <= covered <= 60


def test_all_that_the_votes_allow_is_reported() -> None:
    found = agreement(VOTES, LABELS, draws=200)
    names = [one.name for one in found]
    assert names == ["krippendorff_alpha", "fleiss_kappa", *["cohen_kappa"] * 6]
    alpha = found[0]
    assert alpha.value == pytest.approx(0.743, abs=5e-4)
    assert alpha.low < alpha.value < alpha.high
    assert alpha.rows == 11  # the twelfth unit has one label
    assert found == agreement(dict(reversed(VOTES.items())), LABELS, draws=200)
    assert found != agreement(VOTES, LABELS, draws=200, seed=1)


def test_nothing_to_compare_is_nothing() -> None:
    assert agreement({"a": {"anna": "1"}}, LABELS) == []


def test_undefined_is_null_in_json() -> None:
    votes = {"a": {"anna": "1", "bert": "1"}}
    assert agreement(votes, LABELS, draws=10)[0].plain()["value"] is None


def test_interval_level_needs_numbers() -> None:
    votes = {"a": {"anna": "yes", "bert": "no"}}
    with pytest.raises(DataError, match="labels that are numbers"):
        agreement(votes, ("yes", "no"), level="interval")


def test_annotators_who_never_differ_are_told() -> None:
    votes = {f"r{i}": {"anna": "x", "bert": "x", "carl": "x" if i else "y"} for i in range(21)}
    assert alike(votes) == [("anna", "bert", 21)]
    assert alike(votes, 21) == []


def test_the_table_names_each_measure_once() -> None:
    votes = {f"r{i}": {"anna": "xy"[i % 2], "bert": "xyy"[i % 3], "carl": "x"} for i in range(9)}
    told = table(agreement(votes, ("x", "y"), draws=20))
    assert list(told) == [
        "Krippendorff's alpha",
        "Fleiss' kappa",
        "Cohen's kappa, anna and bert",
        "Cohen's kappa, anna and carl",
        "Cohen's kappa, bert and carl",
    ]
    assert {one["items"] for one in told.values()} == {9}
