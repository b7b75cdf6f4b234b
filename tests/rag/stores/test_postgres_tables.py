"""Vectors as PostgreSQL's binary COPY takes them."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

from luthier.core.errors import ResourceError
from luthier.rag.stores._postgres_tables import Tables, _packed


def test_vectors_are_packed_as_plain_bytes_or_for_pgvector() -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    plain, own = _packed(vectors, 7, False), _packed(vectors, 7, True)
    for packed in (plain, own):
        assert packed.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        assert packed.endswith(b"\xff\xff")
    fields, size, row, length = struct.unpack_from(">hiqi", plain, 19)
    assert (fields, size, row, length) == (2, 8, 7, 12)
    assert struct.unpack_from("<3f", plain, 19 + 18) == (0.0, 1.0, 2.0)
    assert struct.unpack_from(">ihh3f", own, 19 + 14) == (16, 3, 0, 0.0, 1.0, 2.0)


def test_names_are_those_of_one_store() -> None:
    there = Tables("postgresql://me:${PASSWORD}@host/db", "mine")
    assert there.named("SELECT 1 FROM {t}_about") == "SELECT 1 FROM mine_about"
    assert there.where.endswith(" mine")


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with (
        pytest.raises(ResourceError, match="not installed"),
        Tables("postgresql:///x", "t").errors(),
    ):
        pass
