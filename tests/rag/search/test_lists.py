"""Names are found by their bytes, and rows by their names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from searching import BOTH, switched

from luthier.rag.search.lists import lists_from, lists_of, names_of, union


@pytest.fixture(params=BOTH, autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from switched(request.param, monkeypatch)


def test_names_are_sorted_and_found() -> None:
    values = ["oak", "", "Oak", "é", "oaks", "oak", "a\x00b"]
    names, places = names_of(pa.array(values))
    expected = sorted({value.encode() for value in values})
    assert names.to_arrow().to_pylist() == expected
    assert [expected[p].decode() for p in places] == values
    assert names.find(expected).tolist() == list(range(len(expected)))
    assert names.find([b"oa", b"oakss", b"\xff", b"a"]).tolist() == [-1, -1, -1, -1]
    assert names.find([]).tolist() == []


def test_no_names_find_nothing() -> None:
    names, places = names_of(pa.array([], pa.string()))
    assert len(names) == len(places) == 0
    assert names.find([b"x"]).tolist() == [-1]


def test_lists_hold_the_rows_of_each_name() -> None:
    values, rows = ["b", "a", "b", "c", "b"], np.array([0, 0, 2, 3, 9], np.int32)
    made = lists_of(pa.array(values), rows)
    again = lists_from(made.arrays())
    assert [r.tolist() for r in again.of(["b", "none", "a"])] == [[0, 2, 9], [0]]
    assert [r.tolist() for r in lists_of(pa.array(values)).of(["b"])] == [[0, 2, 4]]
    assert union(again.of(["a", "c"]), 10).tolist() == [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert union([], 2).tolist() == [0, 0]
    assert lists_of(pa.array([], pa.string())).of(["a"]) == []
