"""Settings of retrieval."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from luthier.rag.spec import RagSpec, index_settings


def test_an_overlap_of_half_a_passage_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than half of chunk_size"):
        RagSpec(chunk_size=64, chunk_overlap=32)
    assert RagSpec(chunk_size=64, chunk_overlap=31).chunk_overlap == 31


def test_what_only_searching_asks_for_leaves_the_index_as_it_is() -> None:
    base = RagSpec()
    assert index_settings(base) == index_settings(RagSpec(top_k=9, dense_weight=0.1))
    assert index_settings(base) != index_settings(RagSpec(chunk_size=100))
    assert index_settings(base) != index_settings(RagSpec(retriever="bm25"))
