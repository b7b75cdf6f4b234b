"""Rows as a store takes them."""

from __future__ import annotations

import numpy as np

from luthier.core.records import Passage
from luthier.rag.stores.store import DIGEST, VECTOR, rows_of, schema


def test_rows_have_the_columns_of_the_schema() -> None:
    passage = Passage("d#0", "d", "t", "text", "d.txt:1", 0, 4, meta={"a": "b"})
    vectors = np.eye(1, 4, dtype=np.float32)
    rows = rows_of([passage], {"d": "12"}, vectors)
    assert rows.schema.equals(schema(4))
    assert rows[DIGEST].to_pylist() == ["12"]
    assert rows[VECTOR].to_pylist() == [[1.0, 0.0, 0.0, 0.0]]
    assert rows_of([passage], {"d": "12"}).schema.equals(schema(0))
    assert rows_of([], {}).schema.equals(schema(0))
