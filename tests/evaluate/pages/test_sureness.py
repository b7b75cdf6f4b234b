"""Which runs have pictures of how sure they are."""

import numpy as np
from gated_runs import about, run

from luthier.evaluate.pages.sides import together
from luthier.evaluate.pages.sureness import confidences, sureness


def test_runs_that_tell_how_sure_they_are() -> None:
    told = {"accuracy": [1.0, 1, 0, 1, 0, 0], "confidence": [0.95, 0.95, 0.85, 0.75, 0.65, 0.55]}
    plain = run({"accuracy": [1.0] * 6}, about("plain"))
    (side,) = together([plain, run(told, about("sure"))])
    (found,) = sureness(side)
    assert (found.run, found.n) == (1, 6)
    assert (found.bins[-1].n, found.bins[-1].accuracy) == (2, 1.0)
    shares = [(round(point.coverage, 3), round(point.risk, 3)) for point in found.curve]
    assert shares == [(0.333, 0.0), (0.5, 0.333), (0.667, 0.25), (0.833, 0.4), (1.0, 0.5)]
    assert confidences(side, 1)[0] == 0.95
    assert np.isnan(confidences(side, 0)).all()


def test_too_few_make_no_picture() -> None:
    (side,) = together([run({"accuracy": [1.0] * 4, "confidence": [0.5] * 4})])
    assert sureness(side) == []
