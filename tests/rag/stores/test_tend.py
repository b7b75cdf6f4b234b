"""A store that is searched itself is put in order when it is due, and memory is weighed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from stored_rows import passages_of, table

from luthier.rag.stores.open import StoreSpec, open_store
from luthier.rag.stores.sqlite import SqliteStore
from luthier.rag.stores.store import Change
from luthier.rag.stores.tend import memory_allowed, memory_needed, tend


class Told(SqliteStore):
    """A store that tells of itself what a test wants, and counts how often it is put in order."""

    def __init__(self, folder: Path, **told: Any) -> None:
        super().__init__(folder)
        self.told, self.orders = told, 0

    def health(self) -> dict[str, Any]:
        return {**super().health(), **self.told}

    def optimize(self) -> None:
        self.orders += 1


@pytest.mark.parametrize(
    ("passages", "unindexed", "orders"), [(500, 500, 0), (20_000, 1900, 0), (20_000, 2100, 1)]
)
def test_a_tenth_of_the_rows_may_be_in_no_index(
    passages: int, unindexed: int, orders: int, tmp_path: Path
) -> None:
    store = Told(tmp_path, passages=passages, unindexed=unindexed)
    tend(store)
    assert store.orders == orders


def test_the_vector_index_is_made_again_when_a_corpus_has_grown(tmp_path: Path) -> None:
    chosen = {"index": "IVF_HNSW_SQ", "passages": 1000}
    stays = Told(tmp_path, passages=1400, unindexed=0, search=chosen)
    assert tend(stays, exact_below=100) == chosen
    grown = Told(tmp_path, passages=1600, unindexed=0, search=chosen)
    assert tend(grown, exact_below=100) != chosen
    assert tend(grown, exact_below=5000) == chosen


def test_memory_is_weighed_by_the_rows(tmp_path: Path) -> None:
    chance = random.Random(0)
    rows = table([p for n in range(50) for p in passages_of(f"d{n}", chance)])
    store = open_store(StoreSpec(backend="sqlite"), tmp_path)
    store.apply(Change(rows))
    assert rows.nbytes < memory_needed(store, 1) < 6 * rows.nbytes
    assert memory_allowed(2.5) == 2_500_000_000
    assert memory_allowed(None) > 1_000_000
