"""Passages end where what is talked about changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from chunk_checks import word_offsets

from luthier.models.encode import Vectors
from luthier.rag.chunkers import semantic
from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers.semantic import SemanticChunks, semantic_spans

TEA = "Tea is hot. Tea is green. Tea is wet."
DOGS = "Dogs bark loud. Dogs run fast. Dogs eat meat."
TEXT = f"{TEA} {DOGS}"


def by_topic(texts: Sequence[str]) -> Vectors:
    """A vector by how often tea and dogs are named."""
    counts = np.array([(t.count("Tea") + 0.01, t.count("Dogs") + 0.01) for t in texts], np.float32)
    vectors: Vectors = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    return vectors


def cut(text: str, size: int, percentile: float = 90.0, buffer: int = 1) -> list[str]:
    measure = Measure(text, word_offsets)
    found = semantic_spans(measure, by_topic, size=size, percentile=percentile, buffer=buffer)
    return [text[one.start : one.end] for one in found]


def test_the_border_is_where_the_topic_changes() -> None:
    assert cut(TEXT, 50) == [TEA, DOGS]
    assert cut(TEXT, 50, buffer=0) == [TEA, DOGS]
    assert cut(TEXT, 20) == [TEA, DOGS]


def test_what_is_too_long_is_cut_even_where_nothing_changes() -> None:
    pieces = cut(TEA, 9, 100.0)
    assert " ".join(pieces) == TEA
    assert len(pieces) == 2


def test_what_fits_stays_whole_if_nothing_stands_out() -> None:
    assert cut(TEXT, 50, 100.0) == [TEXT]


def test_a_sentence_stands_alone() -> None:
    assert cut("Tea.", 50) == ["Tea."]


def test_many_sentences_are_embedded_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(texts: Sequence[str]) -> Vectors:
        asked.append(len(texts))
        return by_topic(texts)

    monkeypatch.setattr(semantic, "_SENTENCES", 4)
    measure = Measure(TEXT, word_offsets)
    found = list(semantic_spans(measure, counted, size=50, percentile=90.0, buffer=1))
    assert max(asked) <= 5
    assert found[-1].end == len(TEXT)


def test_settings() -> None:
    spec = SemanticChunks()
    assert (spec.chunk_size, spec.percentile, spec.buffer) == (160, 95.0, 1)
