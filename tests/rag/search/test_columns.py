"""Columns are read row by row as Arrow itself tells them."""

import random

import numpy as np
import pyarrow as pa

from luthier.rag.search.columns import reader


def columns() -> list[pa.Array]:
    chance = random.Random(0)
    texts = ["", "Bee", "größer als", "蜂", "a\nb", "🐝🐝"]
    lists = [chance.choices(texts, k=chance.randrange(4)) for _ in range(40)]
    maps = [{f"k{i}": chance.choice(texts) for i in range(chance.randrange(3))} for _ in lists]
    return [
        pa.array(chance.choices(texts, k=40)),
        pa.array([""] * 40),
        pa.array(range(40), pa.int64()),
        pa.array([i / 7 for i in range(40)]),
        pa.array(lists, pa.list_(pa.string())),
        pa.array([[]] * 40, pa.list_(pa.string())),
        pa.array(maps, pa.map_(pa.string(), pa.string())),
    ]


def told(column: pa.Array) -> list[object]:
    if pa.types.is_map(column.type):
        return [dict(one) for one in column.to_pylist()]
    if pa.types.is_list(column.type):
        return [tuple(one) for one in column.to_pylist()]
    return list(column.to_pylist())


def test_any_rows_of_any_column_also_of_a_slice() -> None:
    chance = random.Random(1)
    for whole in columns():
        for column in (whole, whole[7:31], whole[5:5]):
            read, expected = reader(column), told(column)
            assert read(np.empty(0, np.int32)) == []
            if not len(column):
                continue
            rows = [chance.randrange(len(column)) for _ in range(25)]
            assert read(np.array(rows, np.int32)) == [expected[row] for row in rows]


def test_numbers_are_those_of_python() -> None:
    read = reader(pa.array([1, 2], pa.int64()))
    assert [type(value) for value in read(np.array([1], np.int32))] == [int]
