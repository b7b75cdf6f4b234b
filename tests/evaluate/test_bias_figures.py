"""Shares, ties, intervals and correlations of bias probes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from luthier.evaluate._bias_figures import pair_figures, pearson, schema_figures, spearman
from luthier.evaluate._bias_files import Pair, Schema
from luthier.evaluate._bias_score import PairScores

SETTINGS = {"confidence": 0.95, "resamples": 1000, "seed": 0}


def test_a_tie_is_not_a_preference() -> None:
    pairs = [Pair("a", "b", "x" if i < 9 else "y", "stereo" if i % 2 else "") for i in range(10)]
    lean = np.array([1, 1, 1, 1, 1, 1, -1, -1, 0, 0], dtype=float)
    shared = np.stack([lean / 2, -lean / 2], axis=1)
    shared[8] = [-3.0001, -3.0003]  # equal to three digits
    found = pair_figures(pairs, PairScores(shared, shared[:, ::-1]), **SETTINGS)
    every = found["shared"]["all"]
    assert (every["pairs"], every["ties"], every["score"]["mean"]) == (10, 2, 60)
    wanted = stats.binomtest(6, 10).proportion_ci(0.95, method="wilson")
    assert every["score"]["low"] == pytest.approx(100 * wanted.low)
    assert every["score"]["high"] == pytest.approx(100 * wanted.high)
    assert every["p"] == pytest.approx(stats.binomtest(6, 8).pvalue)
    assert found["shared"]["by_category"]["x"]["pairs"] == 9
    assert found["shared"]["by_category"]["y"]["score"] == {"mean": 0, "low": None, "high": None}
    assert list(found["shared"]["by_direction"]) == ["stereo"]
    assert found["sentence"]["all"]["score"]["mean"] == 20
    json.dumps(found, allow_nan=False)
    assert pair_figures(pairs, PairScores(shared, None), **SETTINGS)["sentence"] is None


def schema(trade: int, referent: str) -> Schema:
    return Schema(f"t{trade}", "guest", referent, {})  # type: ignore[arg-type]


def test_a_lean_that_follows_the_percentage_correlates() -> None:
    schemas = [schema(n, who) for n in range(12) for who in ("occupation", "participant")]
    scores = np.zeros((24, 3))
    scores[::2, 1] = np.arange(12) - 3.5  # female less male of the occupation's sentences
    scores[1::2, 1] = np.tile([1, -1], 6)
    scores[:, 2] = -1
    shares = {f"t{n}": 5.0 * n for n in range(12)}
    found = schema_figures(schemas, scores, ("bls", shares), **SETTINGS)
    told = found["correlation"]
    assert told["occupation"]["pearson"]["mean"] == pytest.approx(1)
    assert told["participant"]["spearman"]["mean"] == pytest.approx(
        stats.spearmanr(range(12), np.tile([1, -1], 6))[0]
    )
    low, high = (told["participant"]["pearson"][k] for k in ("low", "high"))
    assert -1 <= low < 0 < high <= 1
    assert found["preferred"] == {"male": pytest.approx(1000 / 24), "neutral": 0, "female": (
        pytest.approx(1400 / 24)
    )}  # fmt: skip
    assert found["female_over_male"]["mean"] == pytest.approx(1400 / 24)
    assert found["occupations"][0]["occupation"] == "t10"
    assert found["occupations"][0]["women_percent"] == 50
    json.dumps(found, allow_nan=False)


def test_what_cannot_be_correlated_is_left_out() -> None:
    schemas = [schema(n, "occupation") for n in range(9)]
    scores = np.zeros((9, 3))
    shares = {f"t{n}": float(n) for n in range(9)}
    constant = schema_figures(schemas, scores, ("bls", shares), **SETTINGS)["correlation"]
    assert constant["occupation"]["pearson"] == {"mean": None, "low": None, "high": None}
    assert constant["participant"] is None
    few = schema_figures(schemas[:3], scores[:3], ("bls", shares), **SETTINGS)
    assert few["correlation"]["occupation"] is None
    assert few["female_over_male"]["low"] is None
    assert schema_figures(schemas, scores, ("", {}), **SETTINGS)["correlation"] is None


def test_correlations_are_those_of_scipy() -> None:
    random = np.random.default_rng(1)
    x = random.integers(0, 6, (4, 20)).astype(float)  # with ties
    y = random.normal(size=(4, 20))
    wanted = [stats.pearsonr(a, b)[0] for a, b in zip(x, y, strict=True)]
    assert pearson(x, y) == pytest.approx(np.array(wanted))
    wanted = [stats.spearmanr(a, b)[0] for a, b in zip(x, y, strict=True)]
    assert spearman(x, y) == pytest.approx(np.array(wanted))
