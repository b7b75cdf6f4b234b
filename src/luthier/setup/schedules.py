"""Learning-rate schedules: a factor of the peak rate for every step."""

from __future__ import annotations

import math
from typing import Literal, assert_never

ScheduleKind = Literal["constant", "linear", "cosine", "wsd"]


def factor(
    kind: ScheduleKind, step: int, total: int, *, warmup_steps: int, floor: float = 0.0
) -> float:
    """The learning rate of a step as a share of the peak.

    Args:
        kind: ``constant``, ``linear`` decay, ``cosine`` decay (Loshchilov & Hutter 2017), or
            ``wsd``: warm-up, stable, linear decay over the last fifth (Hu et al. 2024).
        step: Counted from 0.
        total: Steps of the whole run.
        warmup_steps: Steps of linear rise.
        floor: Least share at the end of a decay.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, total - warmup_steps)
    match kind:
        case "constant":
            return 1.0
        case "linear":
            return floor + (1 - floor) * (1 - done)
        case "cosine":
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
        case "wsd":
            return floor + (1 - floor) * min(1.0, (1 - done) / 0.2)
        case _:
            assert_never(kind)
