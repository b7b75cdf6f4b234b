"""Documents as passages: counted, and never longer than the encoder reads."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError, ResourceError
from luthier.core.ledger import Ledger
from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.models.encode import Encoder, load_encoder
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.rows import (
    check_ids,
    embed,
    embedder,
    encoded_text,
    made_with,
    passages_of,
    shared,
    shortened,
)
from luthier.rag.spec import RagSpec

SPEC = RagSpec(chunker=TokenChunks(chunk_size=20, chunk_overlap=4))


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return load_encoder(str(tiny_encoder))


def document(name: str, text: str, title: str = "wrap") -> Document:
    return Document(name, title, text, f"{name}:1", "text", name, access=("ann",))


def test_passages_are_slices_and_keep_the_access_list(encoder: Encoder) -> None:
    ledger = Ledger()
    rows = [document("a", "fill the text " * 30), document("b", " \n")]
    made = passages_of(SPEC, rows, encoder, ledger, Quiet())
    assert len(made) > 2
    assert ledger.refused == 1
    assert all(p.text == rows[0].text[p.start : p.end] and p.access == ("ann",) for p in made)
    assert shortened(made, encoder) == 0


def test_a_title_that_leaves_no_room_is_counted(encoder: Encoder) -> None:
    made = passages_of(
        SPEC, [document("a", "wrap " * 15, "text " * 40)], encoder, Ledger(), Quiet()
    )
    assert shortened(made, encoder) == len(made)


def test_vectors_are_of_title_and_text(encoder: Encoder, tmp_path: Path) -> None:
    made = passages_of(SPEC, [document("a", "fill the text")], encoder, Ledger(), Quiet())
    vectors = embed(SPEC, made, encoder, tmp_path, Quiet())
    np.testing.assert_allclose(vectors, encoder.encode([encoded_text(made[0])]), atol=1e-6)


def test_what_rows_are_made_with_changes_with_the_settings(encoder: Encoder) -> None:
    base = made_with(SPEC, encoder)
    words = made_with(SPEC.model_copy(update={"retriever": "bm25"}), encoder)
    other = made_with(RagSpec(), encoder)
    assert words.embed == ""
    assert words.cut == base.cut
    assert other.cut != base.cut
    assert other.embed == base.embed == encoder.digest


def test_documents_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(DataError, match="no documents"):
        check_ids([])
    one = document("a", "x")
    with pytest.raises(DataError, match="two documents have the id 'a'"):
        check_ids([one, dataclasses.replace(one, origin="b:2")])


def test_passages_are_embedded_where_the_settings_say(
    encoder: Encoder, tiny_encoder: Path, tmp_path: Path
) -> None:
    told = {"encoder": {"name": str(tiny_encoder)}, "embed_on": {"kind": "processes", "workers": 1}}
    spec = RagSpec.model_validate(told)
    some = [document(f"d{n}", f"fill the text {n}") for n in range(3)]
    made = passages_of(spec, some, encoder, Ledger(), Quiet())
    here = encoder.encode([encoded_text(p) for p in made])
    np.testing.assert_allclose(embed(spec, made, encoder, tmp_path, Quiet()), here, atol=1e-6)
    worker = pickle.loads(pickle.dumps(embedder(spec, encoder)))
    parts = shared(SPEC)(worker, [made[:1], made[1:]])
    np.testing.assert_allclose(np.concatenate(list(parts)), here, atol=1e-6)


def test_a_worker_that_cannot_be_started_is_told_by_its_own_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    spec = RagSpec.model_validate({"embed_on": {"kind": "ray"}})
    with pytest.raises(ResourceError, match="Ray is not installed") as caught:
        list(shared(spec)(len, [[]]))  # type: ignore[arg-type]
    assert caught.value.where == "rag.embed_on.kind"
