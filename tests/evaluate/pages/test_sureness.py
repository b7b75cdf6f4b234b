"""Confidence and correctness, by hand."""

import dataclasses
import math

import numpy as np
from gated_runs import about, rows, run

from luthier.evaluate.pages.sides import together
from luthier.evaluate.pages.sureness import confidences, sureness
from luthier.evaluate.runs.rows import from_rows


def _side(sure: list[float], right: list[float]):  # type: ignore[no-untyped-def]
    held = [
        dataclasses.replace(row, option_nats=(-math.log(p), -math.log(1 - p)))
        for row, p in zip(rows(len(sure)), sure, strict=True)
    ]
    (side,) = together([from_rows(held, [{"accuracy": x} for x in right], about())])
    return side


def test_confidence_is_the_likeliest_options_share() -> None:
    side = _side([0.9, 0.3], [1.0, 0.0])
    assert np.allclose(confidences(side, 0), [0.9, 0.7])


def test_bins_and_curve() -> None:
    side = _side([0.95, 0.95, 0.85, 0.75, 0.65, 0.55], [1, 1, 0, 1, 0, 0])
    (found,) = sureness(side)
    assert found.n == 6
    assert [(round(p, 2), share.mean, share.n) for p, share in found.bins][-1] == (0.95, 1.0, 2)
    shares = [(round(a, 3), round(b, 3)) for a, b in found.curve]
    assert shares == [(0.333, 0.0), (0.5, 0.333), (0.667, 0.25), (0.833, 0.4), (1.0, 0.5)]


def test_no_picture_without_confidences() -> None:
    (side,) = together([run({"accuracy": [1.0] * 9})])
    assert sureness(side) == []
    assert np.isnan(confidences(side, 0)).all()


def test_a_curve_has_few_points() -> None:
    random = np.random.default_rng(0)
    sure = (0.5 + random.random(1000) / 2.1).tolist()
    (found,) = sureness(_side(sure, random.integers(0, 2, 1000).tolist()))
    assert len(found.curve) <= 160
    assert found.curve[-1][0] == 1.0
