"""Every chunker keeps to the same rules, and reads a document by what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from chunk_checks import TOKENIZERS, check, documents, word_offsets
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter

from luthier.core.records import Document
from luthier.models.encode import Vectors
from luthier.rag.chunk import ChunkSpec, chunk, content_of
from luthier.rag.chunkers import _measure
from luthier.rag.chunkers.parents import ParentChunks
from luthier.rag.chunkers.recursive import RecursiveChunks
from luthier.rag.chunkers.semantic import SemanticChunks
from luthier.rag.chunkers.sentences import SentenceChunks
from luthier.rag.chunkers.tokens import TokenChunks

SPECS = (
    TokenChunks(chunk_size=24, chunk_overlap=5),
    TokenChunks(chunk_size=20, chunk_overlap=0, at="token"),
    RecursiveChunks(chunk_size=24, chunk_overlap=4),
    SentenceChunks(chunk_size=24, sentences=2, around=1),
    SemanticChunks(chunk_size=24, percentile=50.0),
    ParentChunks(chunk_size=16, parent_tokens=64),
)


def embed(texts: Sequence[str]) -> Vectors:
    """Vectors that hang on the text alone."""
    rows = [np.frombuffer(hashlib.sha256(t.encode()).digest(), np.uint8) for t in texts]
    plain = np.array(rows, np.float32).reshape(len(rows), 32) - np.float32(128.0)
    vectors: Vectors = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    return vectors


@settings(max_examples=300)
@given(documents, st.sampled_from(SPECS), st.sampled_from(TOKENIZERS), st.integers(8, 40))
def test_passages_are_slices_that_fit_and_hold_everything(
    document: Document, spec: ChunkSpec, offsets: _measure.TokenOffsets, room: int
) -> None:
    passages = chunk(document, spec, offsets, room, embed)
    check(document, passages, offsets, min(room, spec.chunk_size))
    assert chunk(document, spec, offsets, room, embed) == passages


@pytest.mark.parametrize("spec", SPECS, ids=lambda one: one.kind)
def test_a_long_text_is_counted_in_windows(
    spec: ChunkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = made("# Tea\n\n" + "Tea is hot. It is green, too.\n\n" * 40)
    whole = chunk(document, spec, word_offsets, 100, embed)
    longest = 0

    def watched(text: str) -> list[tuple[int, int]]:
        nonlocal longest
        longest = max(longest, len(text))
        return word_offsets(text)

    monkeypatch.setattr(_measure, "WINDOW_CHARS", 200)
    assert chunk(document, spec, watched, 100, embed) == whole
    assert longest <= 400


@pytest.mark.parametrize("spec", SPECS, ids=lambda one: one.kind)
def test_nothing_makes_no_passage(spec: ChunkSpec) -> None:
    assert chunk(made(""), spec, word_offsets, 100, embed) == []
    assert chunk(made(" \n\t \u2003\n"), spec, word_offsets, 100, embed) == []


def test_a_short_document_is_one_passage_as_it_is() -> None:
    text = "Join paths.\n\n  Indented.\n"
    for spec in SPECS:
        if not isinstance(spec, SentenceChunks):
            (only,) = chunk(made(text), spec, word_offsets, 100, embed)
            assert (only.text, only.context, only.kind) == (text, "", "text")


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(ValueError, match="embed"):
        chunk(made("text"), SemanticChunks(), word_offsets, 100)
    with pytest.raises(ValueError, match="max_tokens"):
        chunk(made("text"), TokenChunks(), word_offsets, 0)
    with pytest.raises(ValueError, match="overlap"):
        TokenChunks(chunk_size=20, chunk_overlap=10)


def test_the_kind_names_the_chunker() -> None:
    spec = TypeAdapter[ChunkSpec](ChunkSpec).validate_python({"kind": "recursive"})
    assert spec == RecursiveChunks(chunk_size=160, chunk_overlap=32)


@pytest.mark.parametrize(
    ("kind", "origin", "text", "content"),
    [
        ("text", "guide.md:1", "plain words", "markdown"),
        ("text", "guide.md.gz:1", "plain words", "markdown"),
        ("text", "https://a.org/tool.py#x", "plain words", "code"),
        ("function", "textwrap.py:3", "Wraps a text.", "prose"),
        ("code", "a.txt:1", "plain words", "code"),
        ("table", "a.md:1", "# no", "table"),
        ("row", "faq.csv:3", "plain words", "prose"),
        ("text", "a.txt:1", "# Tea\n\nIs hot.", "markdown"),
        ("text", "a.txt:1", "import os\nimport re\n\n\ndef f():\n    pass\n", "code"),
        ("text", "a.txt:1", "Ann: Hi.\nBob: Hi you.\nAnn: So?\nBob: So what.", "conversation"),
        ("text", "a.txt:1", "Note: this.\nWarning: that.\nSee: there.", "prose"),
    ],
)
def test_a_document_is_read_by_what_it_is(kind: str, origin: str, text: str, content: str) -> None:
    assert content_of(Document("d", "D", text, origin, kind, "d")) == content


def made(text: str, kind: str = "text") -> Document:
    return Document("guide#1", "Guide", text, "guide.txt:1", kind, "guide")
