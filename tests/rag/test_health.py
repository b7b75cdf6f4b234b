"""Health says what is wrong with an index, and what to do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from stored_rows import vectors_for

from luthier.core.records import Document, Passage
from luthier.models.encode import Vectors
from luthier.rag import health as module
from luthier.rag.health import Health, health
from luthier.rag.stores.lance import LanceStore
from luthier.rag.stores.recall import Recall
from luthier.rag.stores.store import PassageStore
from luthier.rag.sync import Made, sync

MADE = Made("a", "b")


def _make(documents: Sequence[Document]) -> list[Passage]:
    return [
        Passage(f"{d.id}#0", d.id, d.title, d.text, d.origin, 0, 1, access=d.access)
        for d in documents
        if d.text != "barren"
    ]


def _embed(passages: Sequence[Passage]) -> Vectors:
    return vectors_for(passages)


def _documents(count: int, **fields: object) -> list[Document]:
    made = [Document(f"d{i}", "t", f"text {i}", "f:1", "text", "g") for i in range(count)]
    return [dataclasses.replace(d, **fields) for d in made]  # type: ignore[arg-type]


def _look(store: PassageStore, documents: list[Document], folder: Path) -> Health:
    return health(store, documents=documents, made=MADE, draft=folder / "draft")


def _said(found: Health) -> str:
    return " | ".join(f"{one.what}: {one.mend}" for one in found.verdicts)


def test_a_good_store_has_no_verdicts(tmp_path: Path) -> None:
    store, documents = LanceStore(tmp_path / "s"), _documents(5)
    sync(documents, store, _make, MADE, tmp_path / "draft", embed=_embed)
    found = _look(store, documents, tmp_path)
    assert found.verdicts == ()
    assert found.well
    assert (found.kind, found.documents, found.passages, found.version) == ("lance", 5, 5, 1)
    assert found.recall == Recall(1.0, 1.0, "", 0, exact=True)
    assert found.bytes > 0
    assert found.files > 0
    assert found.age_s >= 0
    told = json.loads(json.dumps(found.as_json()))
    assert told["well"] is True
    assert told["stale"]["differ"] == 0
    assert told["recall"]["worst"] == 1.0


def test_what_is_wrong_is_told_with_what_to_do(tmp_path: Path) -> None:
    store = LanceStore(tmp_path / "s")
    documents = [*_documents(5), *_documents(7, access=())[5:]]
    documents += [Document("barren", "t", "barren", "f:1", "text", "g")]
    sync(documents, store, _make, MADE, tmp_path / "draft", embed=_embed)
    documents[0] = dataclasses.replace(documents[0], text="other")
    found = _look(store, documents[:-2] + documents[-1:], tmp_path)
    assert found.closed == 2
    assert not found.well
    said = _said(found)
    assert "2 of 7 passages have no access list: nobody can see them" in said
    assert "2 documents are not as the sources have them: Run `luthier rag sync`" in said
    assert "1 documents with text have no passages, such as barren" in said
    assert "urgent" in found.as_json()["verdicts"][0]


def test_an_empty_store_and_a_low_recall_are_urgent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LanceStore(tmp_path / "s")
    found = health(store)
    assert (found.version, found.age_s, found.stale, found.recall) == (0, 0.0, None, None)
    assert "there are no passages" in _said(found)
    sync(_documents(5), store, _make, MADE, tmp_path / "draft", embed=_embed)
    low = Recall(0.999, 0.7, "sales", 64, exact=False)
    monkeypatch.setattr(module, "measure", lambda _: low)
    found = health(store)
    assert "finds 0.700 of the nearest passages in the slice of 'sales'" in _said(found)
    assert not found.well


def test_a_store_in_disorder_costs_but_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LanceStore(tmp_path / "s")
    sync(_documents(5), store, _make, MADE, tmp_path / "draft", embed=_embed)
    real = store.health()
    much = {**real, "passages": 5000, "unindexed": 2000, "files": 3000, "changes": 50}
    monkeypatch.setattr(store, "health", lambda: much)
    found = health(store)
    assert found.well
    assert "2000 of 5000 rows are not in an index" in _said(found)
    assert "50 changes in 3000 files" in _said(found)
