"""Values of databases and libraries as the plain data that rows are made of."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """A value as text, number, boolean, None, list or dict with text keys.

    Dates and times become ISO 8601 (with a space between them), decimals their digits, numbers
    that are not finite None, and bytes the text they hold as UTF-8. Bytes that hold none stay
    bytes: a row that needs them is refused later, where its ledger is. Anything else (UUIDs,
    addresses, ranges, intervals) becomes what ``str`` says of it.
    """
    match value:
        case None | bool() | str():
            return value
        case enum.Enum():
            return plain(value.value)
        case int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case decimal.Decimal():
            return f"{value:f}" if value.is_finite() else None
        case dt.datetime():
            return value.isoformat(sep=" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return _text(bytes(value))
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(inner) for inner in value]
        case _ if hasattr(value, "tolist"):  # numpy's arrays and scalars
            return plain(value.tolist())
        case _:
            return str(value)


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data
