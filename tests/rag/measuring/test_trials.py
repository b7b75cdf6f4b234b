"""Which base belongs to a space, and seeds that follow from a trial's number."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.space import Dimension, Value
from luthier.rag.measuring.measured import Measured
from luthier.rag.measuring.trials import _holds, _sampler, open_study, over_ms
from luthier.rag.tuning import TuningSpec

SPEC = TuningSpec(space={"a": Dimension(low=0, high=1)}, latency_limit_ms=5.0)


@pytest.mark.parametrize(
    ("dimension", "value", "held"),
    [
        (Dimension(choices=(1, 2)), 2, True),
        (Dimension(choices=(1, 2)), True, False),  # a truth value is no number
        (Dimension(choices=("a", False)), False, True),
        (Dimension(low=0, high=1), 0.5, True),
        (Dimension(low=0, high=1), 2, False),
        (Dimension(low=0, high=1), True, False),
        (Dimension(low=0, high=1), "0.5", False),
    ],
)
def test_what_a_dimension_holds(dimension: Dimension, value: Value, held: bool) -> None:
    assert _holds(dimension, value) is held


def test_how_far_a_measurement_is_over_the_limit() -> None:
    made = Measured((1.0,) * 100, tuple(float(n) for n in range(100)))
    assert over_ms(SPEC, made) == pytest.approx(94.05 - 5)
    assert over_ms(SPEC.model_copy(update={"percentile": 50}), made) == pytest.approx(49.5 - 5)
    assert over_ms(SPEC.model_copy(update={"latency_limit_ms": None}), made) == 0


def test_trials_of_one_number_draw_the_same(tmp_path: Path) -> None:
    drawn = []
    for name in ("first", "second"):
        study = open_study(tmp_path, name)
        study.sampler = _sampler(SPEC, 3)
        drawn.append(study.ask().suggest_float("a", 0.0, 1.0))
    assert drawn[0] == drawn[1]
    study.sampler = _sampler(SPEC, 4)
    assert study.ask().suggest_float("a", 0.0, 1.0) != drawn[0]
