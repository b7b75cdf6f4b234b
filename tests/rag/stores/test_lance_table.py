"""Slices as conditions in LanceDB."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from stored_rows import passages_of, table

from luthier.rag.access import Slice
from luthier.rag.stores import _lance_table as lance_table
from luthier.rag.stores._lance_table import condition, one_of
from luthier.rag.stores.lance import LanceStore
from luthier.rag.stores.store import Change


def test_a_slice_is_a_condition_with_quoted_values() -> None:
    part = Slice(frozenset({"o'brien"}), {"k=": ("v'x", "w")}, ("table",), ("d",), 5.0)
    assert condition(part) == (
        "array_has_any(access, ['o''brien']) AND array_has_any(labels, ['k%3D=v''x', 'k%3D=w']) "
        "AND kind IN ('table') AND document_id IN ('d') AND modified_s >= 5.0"
    )
    assert one_of("id", ["a", "b'"]) == "id IN ('a', 'b''')"


def test_what_nobody_can_see_has_no_condition() -> None:
    assert condition(Slice(frozenset())) is None
    assert condition(Slice(frozenset({""}))) is None
    assert condition(Slice(where={"k": ()})) is None
    assert condition(Slice(since_s=float("-inf"))) is None


def test_a_table_out_of_order_is_read_in_order_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(2)
    store = LanceStore(tmp_path)
    names = [f"d{n}" for n in range(40)]
    chance.shuffle(names)
    every = []
    for first in range(0, 40, 10):
        some = [p for name in names[first : first + 10] for p in passages_of(name, chance)]
        store.apply(Change(table(some)))
        every += some
    monkeypatch.setattr(lance_table, "_SORTED", 7)
    read = [one for batch in store.rows(4, ["id"]) for one in batch.column(0).to_pylist()]
    assert read == sorted(p.id for p in every)
    documents = names[:5]
    some_ids = [o for b in store.rows(4, ["id"], documents) for o in b.column(0).to_pylist()]
    assert some_ids == sorted(p.id for p in every if p.document_id in documents)
