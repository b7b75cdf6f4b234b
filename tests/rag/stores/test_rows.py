"""Passages as rows of a database, and back."""

from __future__ import annotations

import random

from stored_rows import DIMENSION, by_id, passages_of, table

from luthier.rag.stores._rows import LONGEST_QUERY, batches, passages, values, words_of
from luthier.rag.stores.store import schema


def test_rows_come_back_as_they_were() -> None:
    chance = random.Random(0)
    there = [p for i in range(20) for p in passages_of(f"d{i}", chance)]
    rows = table(there)
    names = schema(DIMENSION).names
    packed = list(zip(*(values(rows, name) for name in names), strict=True))
    (back,) = batches(packed, names, DIMENSION)
    assert back.schema.equals(schema(DIMENSION))
    assert back.to_pylist() == rows.to_pylist()
    assert passages([row[:-2] for row in packed], names[:-2]) == by_id(there)
    assert list(batches([], names, DIMENSION)) == []


def test_a_query_is_its_words() -> None:
    assert words_of('The "oak" OR the_elm* (ÄSCHE)') == ["the", "oak", "or", "elm", "äsche"]
    assert words_of("?!") == []
    assert len(words_of(" ".join(map(str, range(5000))))) == LONGEST_QUERY
