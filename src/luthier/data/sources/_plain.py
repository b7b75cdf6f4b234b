"""Values of databases and libraries as the plain data that rows are made of."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
from collections.abc import Mapping
from typing import Any

_MAX_DIGITS = 1e21  # larger ones are written with an exponent, as ECMAScript does


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


def as_text(value: Any) -> str | None:
    """A value as the one text that stands for it in every kind of source; None if there is none.

    Texts stay as they are. Whole numbers lose their point (``3.0`` is ``3``: a column of integers
    with gaps is one of floats in most formats), other numbers are the shortest digits that give
    them back, and decimals keep theirs (``12.50``). Truth values are ``true`` and ``false``, dates
    and times ISO 8601. Null, NaN and the infinite are None.

    Args:
        value: As its source typed it.

    Raises:
        TypeError: It is a list, an object, or bytes that are no text.
    """
    found = value if isinstance(value, str) else plain(value)
    match found:
        case None | str():
            return found
        case bool():
            return "true" if found else "false"
        case float() if found.is_integer() and abs(found) < _MAX_DIGITS:
            return str(int(found))
        case int() | float():
            return str(found)
        case _:
            raise TypeError(f"{type(value).__name__}, not text")


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data
