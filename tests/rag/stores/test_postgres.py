"""What is PostgreSQL's own: several stores in one database, and who ranks vectors."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from store_child import state
from stored_rows import contents, table

from luthier.core.errors import StoreError
from luthier.rag.access import Slice
from luthier.rag.stores import _postgres_tables
from luthier.rag.stores.store import Change


@pytest.mark.parametrize("place", ["postgres", "pgvector"], indirect=True)
def test_stores_of_one_database_know_nothing_of_each_other(place: Any) -> None:
    one = place.open()
    spec = place.spec.model_copy(update={"table": place.spec.table + "b"})
    two = dataclasses.replace(place, spec=spec).open()
    one.apply(Change(table(state("k", 1))))
    assert two.version() == 0
    two.apply(Change(table(state("m", 2))))
    assert one.match("m", 9, Slice(), 1) == {}
    one.erase([f"kd{i}" for i in range(6)])
    assert len(contents(two, 1)) == 14


@pytest.mark.parametrize("place", ["postgres", "pgvector"], indirect=True)
def test_pgvector_ranks_where_the_server_has_it(place: Any) -> None:
    store = place.open()
    store.apply(Change(table(state("k", 1))))
    assert store.health()["kind"] == place.kind
    assert store.health()["bytes"] > 10_000
    found = store.nearest(np.eye(1, 8, dtype=np.float32), 3, Slice(), 1)[0]
    assert len(found) == 3


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_second_writer_that_waits_too_long_is_told(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgres_tables, "_WAIT_MS", 100)
    one, two = place.open(), place.open()
    with one.writing(), pytest.raises(StoreError, match="another process has been writing"):
        two.apply(Change(table(state("k", 1))))
    assert two.apply(Change(table(state("k", 1)))) == 1


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_rare_words_weigh_more(place: Any) -> None:
    store = place.open()
    store.apply(Change(table([*state("all", 1), *state("rare", 2)[:1]])))
    found = store.match("all rare", 3, Slice(), 1)
    assert next(iter(found)) == "rared0#0"
    first, second, _ = found.values()
    assert first > second > 0
