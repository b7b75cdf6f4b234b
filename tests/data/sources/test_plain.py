"""Values of databases and libraries as plain data."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from luthier.data.sources._plain import as_text, plain


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        ("text", "text"),
        (decimal.Decimal("1E+3"), "1000"),
        (decimal.Decimal("12.50"), "12.50"),
        (decimal.Decimal("NaN"), None),
        (dt.date(2026, 11, 22), "2026-11-22"),
        (dt.datetime(2026, 11, 22, 3, 4, 5), "2026-11-22 03:04:05"),  # noqa: DTZ001
        (dt.datetime(2026, 11, 22, tzinfo=dt.UTC), "2026-11-22 00:00:00+00:00"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1, hours=2), "1 day, 2:00:00"),
        ("gr\xfcn".encode(), "gr\xfcn"),
        (memoryview(b"abc"), "abc"),
        (b"\xff\xfe", b"\xff\xfe"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        ({1: [decimal.Decimal("0.1")]}, {"1": ["0.1"]}),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.float32("nan"), None),
        (np.str_("word"), "word"),
    ],
)
def test_values(value: object, told: object) -> None:
    assert plain(value) == told
    assert type(plain(value)) is type(told) or isinstance(value, np.str_)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.decimals(),
        st.dates(),
        st.datetimes(timezones=st.none() | st.timezones()),
        st.uuids(),
        st.timedeltas(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(VALUES)
def test_what_comes_out_is_json_and_stays_as_it_is(value: object) -> None:
    once = plain(value)
    json.dumps(once, allow_nan=False)
    assert plain(once) == once


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (" as it is ", " as it is "),
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (1e20, "100000000000000000000"),
        (1e300, "1e+300"),
        (float("nan"), None),
        (float("inf"), None),
        (True, "true"),
        (False, "false"),
        (np.int64(3), "3"),
        (np.float32(2.0), "2"),
        (np.bool_(True), "true"),
        (decimal.Decimal("3.00"), "3.00"),
        (dt.date(2026, 11, 22), "2026-11-22"),
        (dt.datetime(2026, 11, 22, 3, 4, 5), "2026-11-22 03:04:05"),  # noqa: DTZ001
        (b"bytes", "bytes"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_the_text_of_a_value(value: object, said: str | None) -> None:
    assert as_text(value) == said


@pytest.mark.parametrize("value", [[], [1], {}, {"a": 1}, b"\xff", np.array([1, 2]), {1, 2}])
def test_what_has_no_text(value: object) -> None:
    with pytest.raises(TypeError, match="not text"):
        as_text(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_can_be_read_back(value: float) -> None:
    said = as_text(value)
    assert said is not None
    assert type(value)(said) == value
