"""How much the age of a passage takes from its score."""

from __future__ import annotations

import datetime as dt

_DAY_S = 86_400.0


def recency(modified_s: float, now_s: float, half_life_days: float, weight: float) -> float:
    """What a score is multiplied by for its age: 1 when new, ``1 - weight`` when very old.

    Args:
        modified_s: When it was changed, in seconds since 1970; 0 if nobody knows, which is old. A
            time to come is new.
        now_s: The time.
        half_life_days: After so many days half of ``weight`` is lost; above 0.
        weight: Share that is lost with age, 0 to 1.
    """
    if modified_s <= 0:
        return 1.0 - weight
    age_days = max(0.0, now_s - modified_s) / _DAY_S
    return float(1.0 - weight + weight * 0.5 ** (age_days / half_life_days))


def day_of(modified_s: float) -> str:
    """The day of a change in words.

    Args:
        modified_s: In seconds since 1970; 0 if nobody knows.
    """
    if modified_s <= 0:
        return "no date"
    return f"changed on {dt.datetime.fromtimestamp(modified_s, dt.UTC).date().isoformat()}"
