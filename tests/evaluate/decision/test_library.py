"""All documents of an index, searched by words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from luthier.core.progress import Quiet
from luthier.core.records import Document
from luthier.evaluate.decision.library import Library, reindexed
from luthier.models.embed import LocalEncoder
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.index import build
from luthier.rag.spec import RagSpec

SPEC = RagSpec(retriever="bm25", chunker=TokenChunks(chunk_size=16, chunk_overlap=0))
TEXT = "The harbour was built in 1850 by the town. " * 3 + "Its crane came from Ulm in 1901."


def test_near_passages_and_those_of_a_document(tmp_path: Path, tiny_encoder: Path) -> None:
    spec = SPEC.model_copy(update={"encoder": LocalEncoder(name=str(tiny_encoder))})
    documents = [
        Document("harbour", "harbour", TEXT, "a.txt:1", "text", "harbour"),
        Document("mill", "mill", "The mill is older.", "b.txt:1", "text", "mill"),
        Document("safe", "safe", "The crane is sold.", "c.txt:1", "text", "safe", access=("ann",)),
    ]
    build(spec, documents, tmp_path, Quiet())
    library = Library(tmp_path, spec)
    [found] = library.near(["crane from Ulm"], 1)
    assert "1901" in found[0].text
    own = library.of_document("harbour")
    assert len(own) > 1
    assert [p.start for p in own] == sorted(p.start for p in own)
    assert library.of_document("safe") == []  # what not everyone may see
    assert library.near([], 3) == []

    changed = dataclasses.replace(documents[1], text="The mill was sold to Anna Berg.")
    told = reindexed(spec, tmp_path, [changed], tmp_path / "after", Quiet())
    assert told["documents"] == 1
    after = Library(tmp_path / "after", spec)
    assert [p.text for p in after.of_document("mill")] == [changed.text]
    assert [p.text for p in library.of_document("mill")] == [documents[1].text]
    assert len(after.of_document("harbour")) == len(own)
    assert after.near(["sold to Anna Berg"], 1)[0][0].document_id == "mill"
