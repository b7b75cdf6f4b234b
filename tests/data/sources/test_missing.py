"""Missing values are dropped, filled or flagged, and each leaves a line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from luthier.core.errors import DataError
from luthier.core.ledger import Ledger
from luthier.data.sources.missing import fill, is_missing
from luthier.data.sources.raw import (
    ConstantMissing,
    DropMissing,
    FlagMissing,
    MissingSpec,
    MostFrequentMissing,
    Raw,
    RowSource,
)

MARKERS = RowSource().missing_markers
GAPS = [None, "", " \t", "NA", " n/a ", float("nan"), "null"]


def _fill(
    rows: list[dict[str, Any]], policies: dict[str, MissingSpec], **told: Any
) -> tuple[list[dict[str, Any]], Ledger]:
    ledger = Ledger()

    def read(books: Ledger) -> Iterable[Raw]:
        books.refuse("seen while reading", "f:x")
        return (Raw(row, f"f:{i}") for i, row in enumerate(rows))

    filled = list(fill(read, RowSource(missing=policies, **told), ledger))
    assert ledger.entries[0].reason == "seen while reading"
    del ledger.entries[0]
    return [raw.values for raw in filled], ledger


@pytest.mark.parametrize("gap", GAPS, ids=repr)
def test_what_is_missing(gap: Any) -> None:
    assert is_missing(gap, MARKERS)


@pytest.mark.parametrize("value", [0, False, 0.0, "0", "Nina", [], "none", "-"])
def test_what_is_not(value: Any) -> None:
    assert not is_missing(value, MARKERS)


def test_each_policy() -> None:
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": "x", "c": "y", "d": "z"},
        {"a": "NA", "b": None, "c": "", "d": " "},
        {},
    ]
    found, ledger = _fill(
        rows,
        {
            "a": ConstantMissing(value=0),
            "b": MostFrequentMissing(),
            "c": FlagMissing(marker="?"),
        },
    )
    assert found == [
        {"a": 1, "b": "x", "c": "y", "d": "z", "c_missing": False},
        {"a": 0, "b": "x", "c": "?", "d": " ", "c_missing": True},
        {"a": 0, "b": "x", "c": "?", "c_missing": True},
    ]
    assert [(e.action, e.origin, e.detail) for e in ledger.entries[:3]] == [
        ("changed", "f:1", "a: 0"),
        ("changed", "f:1", "b: x"),
        ("changed", "f:1", "c: ?"),
    ]
    assert ledger.reasons("changed") == {"missing value filled": 6}
    assert rows[2] == {}


def test_dropped_rows_leave_one_line_and_no_other() -> None:
    rows = [{"a": "NA", "b": ""}, {"a": "x", "b": "y"}]
    found, ledger = _fill(rows, {"a": ConstantMissing(value="c"), "b": DropMissing()})
    assert found == [{"a": "x", "b": "y"}]
    assert [(e.action, e.reason, e.origin, e.detail) for e in ledger.entries] == [
        ("refused", "missing value", "f:0", "b")
    ]


def test_markers_may_be_named() -> None:
    found, _ = _fill(
        [{"a": "NA"}, {"a": "-"}], {"a": ConstantMissing(value="c")}, missing_markers=("-",)
    )
    assert found == [{"a": "NA"}, {"a": "c"}]


def test_the_most_frequent_value_and_the_first_of_equals() -> None:
    def favourite(*values: Any) -> Any:
        rows = [{"a": value} for value in (*values, None)]
        return _fill(rows, {"a": MostFrequentMissing()})[0][-1]["a"]

    assert favourite("x", "y", "y", "NA", "NA", "NA") == "y"
    assert favourite("y", "x", "x", "y") == "y"
    assert favourite("1", 1, 1) == 1
    assert favourite(True, 1, 1) == 1


def test_columns_that_cannot_be_filled() -> None:
    with pytest.raises(DataError, match="column 'a' holds no value"):
        _fill([{"a": None}, {"a": "NA"}], {"a": MostFrequentMissing()})
    rows = [{"a": str(i)} for i in range(4)]
    with pytest.raises(DataError, match="more than 3 different values"):
        _fill(rows, {"a": MostFrequentMissing(max_values=3)})
    with pytest.raises(DataError, match="already is a column named 'a_missing'"):
        _fill([{"a": 1, "a_missing": 2}], {"a": FlagMissing()})


COLUMNS = ["a", "b", "c"]
VALUES = st.sampled_from([*GAPS, "x", "y", 0, 1.5, False, [1]])
POLICIES: st.SearchStrategy[MissingSpec] = st.sampled_from(
    [DropMissing(), ConstantMissing(value="c"), FlagMissing(), MostFrequentMissing()]
)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from(COLUMNS), VALUES), max_size=12),
    policies=st.dictionaries(st.sampled_from(COLUMNS), POLICIES, max_size=3),
)
@settings(deadline=None, max_examples=150)
def test_rows_in_are_rows_out_and_no_gap_stays(
    rows: list[dict[str, Any]], policies: dict[str, MissingSpec]
) -> None:
    full: dict[str, Any] = dict.fromkeys(COLUMNS, "full")
    found, ledger = _fill([full, *rows], policies)
    ledger.check(rows_in=len(rows) + 1, rows_out=len(found), limit=1.0, stage="missing")
    filled = 0
    for values in found:
        assert not any(is_missing(values.get(column), MARKERS) for column in policies)
        filled += sum(values.get(f"{column}_missing") is True for column in policies)
    flagged = [e for e in ledger.entries if e.detail.endswith(FlagMissing().marker)]
    assert len(flagged) == filled
