"""What models and encoders behind an OpenAI-compatible endpoint share: client and pauses."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from luthier.core.secrets import Secret, reveal

if TYPE_CHECKING:
    import httpx2

PASSING = frozenset([408, 409, 425, 429, 500, 502, 503, 504, 529])
"""Statuses after which a call is made again."""
_LONGEST_PAUSE_S = 60.0


def client(
    base_url: str,
    api_key: Secret | None,
    timeout_s: float,
    transport: httpx2.BaseTransport | None,
) -> httpx2.Client:
    """Who makes the calls; close it when they are done.

    Args:
        base_url: Up to and including ``/v1``.
        api_key: The key that is sent; none for none.
        timeout_s: For one call.
        transport: Carries the requests; None for the network.
    """
    import httpx2

    key = reveal(api_key) if api_key else ""
    return httpx2.Client(
        base_url=base_url.rstrip("/") + "/",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=timeout_s,
        transport=transport,
    )


def pause_s(attempt: int, asked_s: float) -> float:
    """How long to wait before a call is made again, growing and spread, at most a minute.

    Args:
        attempt: 1 for the second call, and so on.
        asked_s: What the endpoint asked for.
    """
    growing = 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)
    return min(max(asked_s, growing), _LONGEST_PAUSE_S)


def asked_pause_s(header: str) -> float:
    """What a ``retry-after`` in seconds asks for; 0 for a date, or none."""
    try:
        return max(0.0, float(header))
    except ValueError:
        return 0.0
