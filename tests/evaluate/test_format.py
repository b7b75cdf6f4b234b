"""Numbers as people read them."""

from typing import Any

import pytest

from luthier.evaluate import _format


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("figure", 0.4207, "0.421"),
        ("figure", None, "–"),
        ("signed", 0.0412, "+0.041"),
        ("signed", -0.0412, "−0.041"),
        ("signed", -0.0001, "0.000"),
        ("count", 12345, "12,345"),
        ("latency", 0.0008, "0.8 ms"),
        ("latency", 0.4123, "412 ms"),
        ("latency", 1.4, "1.40 s"),
        ("duration", 0.42, "0.4 s"),
        ("duration", 59.7, "1 min 00 s"),
        ("duration", 185, "3 min 05 s"),
        ("duration", 7810, "2 h 10 min"),
        ("money", 0.01142, "0.0114"),
        ("money", 1.267, "1.27"),
        ("money", 1250.2, "1,250"),
        ("money", 0, "0"),
        ("money", 0.00000123, "1.2e-06"),
        ("percent", 0.826, "83 %"),
        ("percent", None, "–"),
        ("bounds", {"low": -0.0212, "high": 0.1}, "−0.021 to 0.100"),
        ("bounds", None, ""),
        ("shares", {"low": 0.771, "high": 0.86}, "77 to 86 %"),
    ],
)
def test_filters(name: str, value: Any, wanted: str) -> None:
    assert _format.FILTERS[name](value) == wanted


def test_tidy_holds_intervals_together() -> None:
    told = _format.tidy("cannot tell rag and fine-tuned apart (difference -0.01 [-0.05, 0.07])")
    held = "−0.01 [−0.05, 0.07]".replace(" ", "\N{NO-BREAK SPACE}")
    assert told == f"cannot tell rag and fine-tuned apart (difference {held})"
