"""Exact vector search in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from luthier.rag.stores._exact import VectorCache


class _Table:
    """Vectors by row number, and how often they were read."""

    def __init__(self) -> None:
        self.rows: dict[int, npt.NDArray[np.float32]] = {}
        self.reads = 0

    def behind(self, row: int) -> list[tuple[int, bytes]]:
        self.reads += 1
        return [(n, v.tobytes()) for n, v in sorted(self.rows.items()) if n > row]


def _filled(count: int) -> tuple[_Table, VectorCache]:
    table, chance = _Table(), np.random.default_rng(0)
    for number in range(1, count + 1):
        table.rows[number * 3] = chance.standard_normal(5).astype(np.float32)
    return table, VectorCache(table.behind)


def test_the_nearest_of_some_rows_are_found() -> None:
    table, cache = _filled(20_000)
    rows = np.array([n for n in table.rows if n % 2], np.int64)
    asked = np.random.default_rng(1).standard_normal((3, 5)).astype(np.float32)
    for line, found in zip(asked, cache.nearest(asked, rows, 7), strict=True):
        wanted = sorted(((float(line @ table.rows[n]), n) for n in rows.tolist()), reverse=True)
        assert [n for n, _ in found] == [n for _, n in wanted[:7]]
    assert table.reads == 1


def test_only_new_rows_are_read() -> None:
    table, cache = _filled(10)
    asked = np.ones((1, 5), np.float32)
    cache.nearest(asked, np.array([3, 6]), 2)
    table.rows[99] = np.full(5, 9.0, np.float32)
    assert cache.nearest(asked, np.array([3, 99]), 1) == [[(99, 45.0)]]
    assert table.reads == 2
    cache.clear()
    cache.nearest(asked, np.array([3, 99]), 1)
    assert table.reads == 3


def test_rows_that_tie_at_the_end_are_all_told() -> None:
    table = _Table()
    table.rows = {n: np.ones(2, np.float32) for n in range(5)}
    cache = VectorCache(table.behind)
    found = cache.nearest(np.ones((1, 2), np.float32), np.arange(5), 2)[0]
    assert [n for n, _ in found] == [0, 1, 2, 3, 4]
