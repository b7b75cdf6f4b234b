"""The recall gate: an index over vectors is used only where it was measured to find enough."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from luthier.core.records import EVERYONE, Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice, viewer
from luthier.rag.stores import recall
from luthier.rag.stores.lance import LanceStore
from luthier.rag.stores.recall import Recall, climb, index_vectors, measure, recall_of
from luthier.rag.stores.sqlite import SqliteStore
from luthier.rag.stores.store import Change, PassageStore, rows_of

COUNT, DIMENSION = 600, 16


def _vectors(count: int = COUNT) -> Vectors:
    found = np.random.default_rng(0).standard_normal((count, DIMENSION)).astype(np.float32)
    made: Vectors = found / np.linalg.norm(found, axis=1, keepdims=True)
    return made


def _fill(store: PassageStore) -> None:
    passages = [
        Passage(
            f"d{i}#0", f"d{i}", "t", "x", "f:1", 0, 1,
            access=("rare",) if i % 100 == 0 else ("often", EVERYONE),
        )
        for i in range(COUNT)
    ]  # fmt: skip
    store.apply(Change(rows_of(passages, {p.document_id: "1" for p in passages}, _vectors())))


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    made = LanceStore(tmp_path)
    _fill(made)
    return made


def test_few_passages_are_searched_exactly(store: LanceStore) -> None:
    told = index_vectors(store)
    assert (told["index"], told["why"]) == ("exact", "fewer than 50000 passages")
    assert store.health()["search"] == told
    assert measure(store) == Recall(1.0, 1.0, "", 0, exact=True)


def test_many_are_searched_by_an_index_that_passed(store: LanceStore) -> None:
    told = index_vectors(store, exact_below=100, gate=0.95)
    assert told["index"] == "IVF_HNSW_SQ"
    assert 0.95 <= told["worst"] <= told["recall"] <= 1.0
    assert store.health()["search"] == told
    assert store.version() == 1
    found = measure(store)
    assert found is not None
    assert found.worst >= 0.95
    assert not found.exact
    assert found.questions == 64
    asked = _vectors()[:3]
    for who in ("often", "rare"):
        part = Slice(viewer([who]))
        near = store.nearest(asked, 5, part, 1)
        seen = store.take([i for one in near for i in one], part, 1)
        assert all(set(one) <= set(seen) for one in near)
        assert len(near[0]) == 5
    assert next(iter(store.nearest(asked, 5, Slice(viewer(["rare"])), 1)[0])) == "d0#0"


def test_rows_put_after_the_index_are_found(store: LanceStore) -> None:
    index_vectors(store, exact_below=100, gate=0.9)
    one = _vectors(COUNT + 1)[-1:]
    new = Passage("new#0", "new", "t", "x", "f:1", 0, 1)
    store.apply(Change(rows_of([new], {"new": "1"}, one), ("d5",)))
    assert next(iter(store.nearest(one, 3, Slice(), 2)[0])) == "new#0"
    assert "d5#0" not in store.nearest(_vectors()[5:6], 500, Slice(), 2)[0]
    assert store.health()["unindexed"] >= 1
    store.optimize()
    assert next(iter(store.nearest(one, 3, Slice(), 2)[0])) == "new#0"
    assert store.health()["unindexed"] == 0


def test_an_erasure_takes_the_index_too(store: LanceStore) -> None:
    index_vectors(store, exact_below=100, gate=0.9)
    version = store.erase(["d5"])
    assert "erased" in store.health()["search"]["why"]
    assert "d5#0" not in store.nearest(_vectors()[5:6], 500, Slice(), version)[0]
    assert index_vectors(store, exact_below=100, gate=0.9)["index"] == "IVF_HNSW_SQ"


def test_where_no_parameters_pass_search_stays_exact(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = Recall(0.5, 0.4, "rare", 64, exact=False)
    monkeypatch.setattr(recall, "_measured", lambda *_: low)
    told = index_vectors(store, exact_below=100)
    assert (told["index"], told["worst"], told["slice"]) == ("exact", 0.4, "rare")
    assert "no parameters" in told["why"]
    found = store.nearest(_vectors()[:1], 1, Slice(viewer(["rare"])), 1)[0]
    assert found == {"d0#0": pytest.approx(1.0, abs=1e-5)}
    assert store.health()["unindexed"] == COUNT  # of words alone: the vector index is gone


def test_parameters_are_raised_until_the_worst_slice_passes() -> None:
    tried: list[Mapping[str, int]] = []

    def measured(parameters: Mapping[str, int]) -> Recall:
        tried.append(parameters)
        return Recall(1.0, 0.9 + 0.04 * len(tried), "rare", 9, exact=False)

    parameters, found = climb(measured, 0.98)
    assert parameters == tried[1]
    assert found.worst == pytest.approx(0.98)
    assert [p["ef"] for p in tried] == sorted(p["ef"] for p in tried)
    assert climb(lambda _: Recall(0.5, 0.5, "", 9, exact=False), 0.99)[0] is None


def test_recall_counts_what_is_as_near_as_the_last_one() -> None:
    exact = [{"a": 0.9, "b": 0.8}, {}]
    assert recall_of([{"a": 0.9, "b": 0.8}, {}], exact) == 1.0
    assert recall_of([{"a": 0.9, "c": 0.8}, {}], exact) == 1.0
    assert recall_of([{"a": 0.9, "d": 0.1}, {}], exact) == 0.5
    assert recall_of([{}, {}], exact) == 0.0
    assert recall_of([{}], [{}]) == 1.0


def test_other_stores_are_exact(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    assert measure(store) is None
    _fill(store)
    assert index_vectors(store)["index"] == "exact"
    assert measure(store) == Recall(1.0, 1.0, "", 0, exact=True)
    store.close()
    empty = LanceStore(tmp_path / "none")
    assert index_vectors(empty)["why"] == "there are no vectors"
