"""The values that settings may take in a search, whatever is searched."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from luthier.core.spec import Spec

Value = bool | int | float | str
"""What a setting may be."""


class Dimension(Spec):
    """The values one setting may take: a range, or some choices."""

    low: float | None = None
    """Least value of a range."""
    high: float | None = None
    """Greatest value of a range."""
    log: bool = False
    """Draw from the range by its logarithm: for learning rates and other scales."""
    integer: bool = False
    """Whole numbers only."""
    steps: int | None = Field(None, ge=2)
    """Values of the range that a grid takes, evenly spread."""
    choices: tuple[Value, ...] = ()
    """The values themselves, instead of a range."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Dimension:
        if self.choices and (self.low is not None or self.high is not None):
            raise ValueError("give a range (low, high) or choices, not both")
        if not self.choices and (self.low is None or self.high is None):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("a logarithmic range must begin above 0")
        return self


def probes(dimension: Dimension) -> list[Any]:
    """Values that show whether a setting can have those of a dimension."""
    if dimension.choices:
        return list(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    ends = (dimension.low, dimension.high)
    return [int(v) for v in ends] if dimension.integer else list(ends)


def points(dimension: Dimension) -> list[Any]:
    """The values of a dimension that a grid takes."""
    import numpy as np

    if dimension.choices:
        return list(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    spread = np.geomspace if dimension.log else np.linspace
    values = spread(dimension.low, dimension.high, dimension.steps or 2).tolist()
    return sorted({round(v) for v in values}) if dimension.integer else values


def suggest(trial: Any, name: str, dimension: Dimension) -> Any:
    """The value a trial has for a setting."""
    if dimension.choices:
        return trial.suggest_categorical(name, list(dimension.choices))
    low, high, log = dimension.low, dimension.high, dimension.log
    assert low is not None
    assert high is not None
    if dimension.integer:
        return trial.suggest_int(name, int(low), int(high), log=log)
    return trial.suggest_float(name, low, high, log=log)
