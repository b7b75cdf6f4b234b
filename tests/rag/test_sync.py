"""A sync touches only what differs, embeds no text twice, and refuses to empty an index."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from stored_rows import DIMENSION, contents, vectors_for

from luthier.core.errors import DataError, StoreError
from luthier.core.records import EVERYONE, Document, Passage
from luthier.models.encode import Vectors
from luthier.rag.access import Slice, viewer
from luthier.rag.stores.sqlite import SqliteStore
from luthier.rag.stores.store import VECTOR
from luthier.rag.sync import Made, Synced, digest_of_document, erase, look, sync

MADE = Made("size 3", "encoder a")


class _Project:
    """Documents, a store, and every text that was embedded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.draft = folder / "draft"
        self.store = SqliteStore(folder / "store")
        self.documents: dict[str, Document] = {}
        self.embedded: list[str] = []
        self.cut: list[str] = []

    def put(self, one: str, text: str, **fields: object) -> None:
        made = Document(one, "t", text, f"{one}.txt:1", "text", one)
        self.documents[one] = dataclasses.replace(made, **fields)  # type: ignore[arg-type]

    def make(self, documents: Sequence[Document]) -> list[Passage]:
        self.cut += [d.id for d in documents]
        return [
            Passage(
                f"{d.id}#{i}", d.id, d.title, line, d.origin, i, i + 1, access=d.access,
                modified_s=d.modified_s, meta=d.meta,
            )
            for d in documents
            for i, line in enumerate(d.text.splitlines())
            if "nothing" not in line
        ]  # fmt: skip

    def embed(self, passages: Sequence[Passage]) -> Vectors:
        self.embedded += [p.text for p in passages]
        return vectors_for([dataclasses.replace(p, id="") for p in passages])

    def sync(self, made: Made = MADE, most_gone: float = 0.5) -> Synced:
        self.embedded, self.cut = [], []
        return sync(
            list(self.documents.values()), self.store, self.make, made, self.draft,
            embed=self.embed, most_gone=most_gone,
        )  # fmt: skip

    def check(self) -> None:
        """The store holds what the documents make, with the vectors of their texts."""
        version = self.store.version()
        wanted = {p.id: p for p in self.make([d for d in self.documents.values() if d.text])}
        assert contents(self.store, version) == wanted
        for batch in self.store.rows(version, ["id", VECTOR]):
            for row in batch.to_pylist():
                there = vectors_for([dataclasses.replace(wanted[row["id"]], id="")])[0]
                assert np.array_equal(np.float32(row["vector"]), there)


@pytest.fixture
def project(tmp_path: Path) -> _Project:
    made = _Project(tmp_path)
    for i in range(10):
        made.put(f"d{i}", f"text {i} a\ntext {i} b")
    return made


def test_a_sync_touches_only_what_differs(project: _Project) -> None:
    first = project.sync()
    assert (first.new, first.passages, first.embedded, first.version) == (10, 20, 20, 1)
    nothing = project.sync()
    assert (nothing.same, nothing.version, project.cut, project.embedded) == (10, 1, [], [])
    project.put("d1", "text 1 a\nother\nmore")
    project.put("d11", "quite new")
    del project.documents["d2"]
    second = project.sync()
    assert (second.new, second.changed, second.gone, second.same) == (1, 1, 1, 8)
    assert sorted(project.embedded) == ["more", "other", "quite new"]
    assert sorted(project.cut) == ["d1", "d11"]
    assert (second.passages, second.reused, second.version) == (4, 1, 2)
    assert project.store.versions()[-1].note == "sync: 1 new, 1 changed, 1 gone"
    project.check()


def test_a_moved_document_costs_no_embedding(project: _Project) -> None:
    project.sync()
    project.documents["e0"] = dataclasses.replace(
        project.documents.pop("d0"), id="e0", origin="elsewhere:1"
    )
    plan = look(list(project.documents.values()), project.store, MADE, project.draft)
    assert (plan.moved, plan.gone, plan.new) == ({"e0": "d0"}, (), ())
    moved = project.sync()
    assert (moved.moved, moved.embedded, moved.reused, moved.gone) == (1, 0, 2, 0)
    project.check()


@pytest.mark.parametrize(
    "change",
    [{"access": ("ann",)}, {"meta": {"a": "b"}}, {"modified_s": 5.0}, {"origin": "other:2"}],
)
def test_lists_and_metadata_follow_without_embedding(
    project: _Project, change: dict[str, object]
) -> None:
    project.sync()
    project.put("d3", project.documents["d3"].text, **change)
    done = project.sync()
    assert (done.changed, done.embedded) == (1, 0)
    project.check()


def test_a_withdrawn_right_is_withdrawn_at_once(project: _Project) -> None:
    project.put("d3", "secret words", access=("ann", EVERYONE))
    project.sync()
    project.put("d3", "secret words", access=("ann",))
    version = project.sync().version
    assert project.store.match("secret", 5, Slice(), version) == {}
    assert set(project.store.match("secret", 5, Slice(viewer(["ann"])), version)) == {"d3#0"}


def test_other_settings_cut_again_and_another_encoder_embeds_again(project: _Project) -> None:
    project.sync()
    cut = project.sync(Made("size 4", MADE.embed))
    assert (cut.changed, cut.embedded, cut.reused) == (10, 0, 20)
    again = project.sync(Made("size 4", "encoder b"))
    assert (again.changed, again.embedded) == (10, 20)


def test_no_text_is_embedded_twice(project: _Project) -> None:
    for i in range(5):
        project.put(f"twin{i}", "the same\nthe same")
    assert project.sync().embedded == 21


def test_a_killed_sync_goes_on_where_it_was(
    project: _Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of embedding, or before the change: what was embedded stays."""
    monkeypatch.setattr("luthier.rag.sync._AT_ONCE", 3)
    everything: list[str] = []
    for stop in (1, 3, 2, 99):
        calls = 0
        real = project.embed

        def embed(passages: Sequence[Passage], stop: int = stop) -> Vectors:
            nonlocal calls
            calls += 1
            if calls > stop:
                raise KeyboardInterrupt
            return _Project.embed(project, passages)

        project.embed = embed  # type: ignore[method-assign]
        try:
            done = project.sync()
        except KeyboardInterrupt:
            assert project.store.version() == 0
        project.embed = real  # type: ignore[method-assign]
        everything += project.embedded
    assert done.passages == 20
    assert sorted(everything) == sorted({p.text for p in contents(project.store, 1).values()})
    assert [p.name for p in project.draft.glob("*.bin")] == []
    project.check()


def test_a_vanished_source_does_not_empty_the_index(project: _Project) -> None:
    project.sync()
    kept = dict(project.documents)
    for gone in (10, 6):
        project.documents = dict(list(kept.items())[gone:])
        with pytest.raises(DataError, match=f"{gone} of 10 documents have vanished") as told:
            project.sync()
        assert "allow it" in told.value.mend
        assert len(contents(project.store, project.store.version())) == 20
    assert project.sync(most_gone=1.0).gone == 6
    project.documents = {}
    assert project.sync(most_gone=1.0).gone == 4
    assert contents(project.store, project.store.version()) == {}


def test_documents_without_passages_are_told_and_not_cut_again(project: _Project) -> None:
    project.put("blank", " \n ")
    project.put("barren", "nothing here")
    first = project.sync()
    assert (first.empty, first.without, first.new) == (1, 1, 11)
    again = project.sync()
    assert (again.empty, again.without, again.new, project.cut) == (1, 1, 0, [])
    project.put("barren", "something here")
    assert project.sync().without == 0
    project.put("d1", "nothing left")
    done = project.sync()
    assert (done.changed, done.without) == (1, 1)
    assert "d1#0" not in contents(project.store, done.version)


def test_two_documents_of_one_id_are_refused(project: _Project) -> None:
    documents = [*project.documents.values(), project.documents["d1"]]
    with pytest.raises(DataError, match="two documents have the id 'd1'"):
        look(documents, project.store, MADE, project.draft)


def test_an_erased_document_is_in_no_draft(project: _Project) -> None:
    project.sync()
    (project.draft / "vectors-1.bin").write_bytes(b"x")
    version = erase(["d1"], project.store, project.draft)
    assert "d1#0" not in contents(project.store, version)
    assert list(project.draft.glob("*.bin")) == []


def test_a_wrong_encoder_leaves_the_store_and_keeps_the_draft(project: _Project) -> None:
    project.sync()
    project.put("d1", "new text")
    project.embed = lambda p: np.eye(len(p), DIMENSION + 1, dtype=np.float32)  # type: ignore[assignment,method-assign]
    with pytest.raises(StoreError, match="9 numbers cannot be put beside those of 8"):
        project.sync(Made("size 3", "other"))
    assert project.store.version() == 1


def test_digests_tell_all_that_passages_carry() -> None:
    one = Document("d", "t", "text", "f:1", "text", "g", {"a": "b"}, ("ann", "bob"), 1.0)
    same = dataclasses.replace(one, access=("bob", "ann"), id="e", group="h")
    assert digest_of_document(one, MADE) == digest_of_document(same, MADE)
    others = [
        {"title": "u"}, {"text": "x"}, {"origin": "f:2"}, {"kind": "row"}, {"meta": {}},
        {"access": ()}, {"modified_s": 2.0}, {"title": "tt", "text": "ext"},
    ]  # fmt: skip
    told = {digest_of_document(dataclasses.replace(one, **o), MADE) for o in others}  # type: ignore[arg-type]
    told |= {
        digest_of_document(one, Made("x", MADE.embed)),
        digest_of_document(one, Made("size 3")),
    }
    assert len(told | {digest_of_document(one, MADE)}) == len(others) + 3


def test_a_hundred_random_syncs_end_where_the_documents_are(tmp_path: Path) -> None:
    project, chance = _Project(tmp_path), random.Random(0)
    for _ in range(40):
        for _ in range(chance.randint(0, 3)):
            words = "\n".join(chance.choices(["oak", "elm", "ash", "nothing", "fir"], k=3))
            project.put(f"d{chance.randint(0, 8)}", words, access=(chance.choice(["a", "b"]),))
        if project.documents and chance.random() < 0.4:
            del project.documents[chance.choice(list(project.documents))]
        project.sync(most_gone=1.0)
        assert len(project.embedded) == len(set(project.embedded))
        project.check()
