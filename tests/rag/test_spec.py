"""Settings of retrieval."""

from __future__ import annotations

from pathlib import Path

import pytest

from luthier.core.errors import ConfigError
from luthier.models.embed import LocalEncoder
from luthier.rag.chunkers.recursive import RecursiveChunks
from luthier.rag.chunkers.tokens import TokenChunks
from luthier.rag.legs import LegsSpec
from luthier.rag.rank import RankSpec
from luthier.rag.spec import RagSpec, anchored, index_settings, named_files


def test_what_only_searching_asks_for_leaves_the_index_as_it_is() -> None:
    base = RagSpec()
    for same in (
        RagSpec(top_k=9),
        RagSpec(ranking=RankSpec(title_weight=0.1)),
        RagSpec(words=LegsSpec(k1=1.2)),
        RagSpec(retriever="dense"),
    ):
        assert index_settings(base) == index_settings(same)
    for other in (
        RagSpec(chunker=TokenChunks(chunk_size=100)),
        RagSpec(chunker=RecursiveChunks()),
        RagSpec(encoder=LocalEncoder(name="x")),
        RagSpec(words=LegsSpec(stemmer="none")),
        RagSpec(retriever="bm25"),
    ):
        assert index_settings(base) != index_settings(other)


def test_a_bare_encoder_is_a_local_one() -> None:
    spec = RagSpec.model_validate({"encoder": {"name": "here"}})
    assert spec.encoder == LocalEncoder(name="here")


def test_names_start_from_the_folder_of_the_project(tmp_path: Path) -> None:
    spec = RagSpec(encoder=LocalEncoder(name="enc"), ranking=RankSpec(rules="rules.yaml"))
    made = anchored(spec, tmp_path)
    assert made.encoder == LocalEncoder(name=str(tmp_path / "enc"))
    assert made.ranking.rules == str(tmp_path / "rules.yaml")
    assert made.ranking.weights == ""
    assert anchored(RagSpec(), tmp_path) == RagSpec()


def test_files_beside_an_index_are_named_by_their_content(tmp_path: Path) -> None:
    spec = anchored(RagSpec(ranking=RankSpec(rules="rules.yaml")), tmp_path)
    with pytest.raises(ConfigError, match=r"rules\.yaml"):
        named_files(spec)
    (tmp_path / "rules.yaml").write_text("rules: []")
    first = named_files(spec)
    (tmp_path / "rules.yaml").write_text("rules: [] # other")
    assert set(first) == {"rag.ranking.rules"}
    assert named_files(spec) != first
    assert named_files(RagSpec()) == {}
