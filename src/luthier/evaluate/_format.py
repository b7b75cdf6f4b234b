"""Numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

DASH = "–"
_INTERVAL = re.compile(r"-?[0-9.]+ \[[^\]]*\]")


def figure(value: float | None, digits: int = 3) -> str:
    """A metric: ``0.421``, or a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign, and a real minus: ``+0.041``."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text[1:] if float(f"{value:.{digits}f}") == 0 else text


def bounds(interval: Mapping[str, Any] | None, digits: int = 3) -> str:
    """An interval's ends: ``0.39 to 0.45``; empty where there is none."""
    if interval is None:
        return ""
    low, high = (f"{interval[end]:.{digits}f}".replace("-", "−") for end in ("low", "high"))
    return f"{low} to {high}"


def shares(interval: Mapping[str, Any]) -> str:
    """The ends of an interval of a share: ``77 to 86 %``."""
    return f"{interval['low'] * 100:.0f} to {interval['high'] * 100:.0f} %"


def tidy(sentence: str) -> str:
    """A verdict with real minus signs, and with intervals that no line break cuts."""
    return _INTERVAL.sub(
        lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}").replace("-", "−"), sentence
    )


def count(value: float) -> str:
    """A number of things: ``12,345``."""
    return f"{value:,.0f}"


def latency(seconds: float) -> str:
    """``0.8 ms``, ``412 ms`` or ``1.42 s``."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def money(value: float) -> str:
    """A price with enough digits to tell small ones apart: ``0.0114``, ``1.27``, ``1,250``."""
    if value == 0:
        return "0"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}" if value >= 0.0001 else f"{value:.1e}"


def percent(value: float | None) -> str:
    """A share: ``83 %``, or a dash where there is none."""
    return DASH if value is None else f"{value * 100:.0f} %"


FILTERS: dict[str, Callable[..., str]] = {
    "figure": figure,
    "signed": signed,
    "bounds": bounds,
    "shares": shares,
    "tidy": tidy,
    "count": count,
    "latency": latency,
    "duration": duration,
    "money": money,
    "percent": percent,
}
