"""Passages are slices, they lose nothing, and they are cut where a reader would cut."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, strategies as st

from luthier.core.records import Document
from luthier.rag.passages import cut


def word_offsets(text: str) -> list[tuple[int, int]]:
    """A tokenizer of words and punctuation, like the encoder's but small."""
    return [m.span() for m in re.finditer(r"\w{1,5}|[^\w\s]", text)]


def document(text: str) -> Document:
    return Document("os.path.join", "os.path.join", text, "posixpath.py:71", "function", "os.path")


prose = st.text(alphabet="ab .\n\t(),é", max_size=400)


@given(text=prose, size=st.integers(1, 30), share=st.floats(0, 0.9))
def test_passages_are_slices_that_fit_and_together_hold_all_but_white_space(
    text: str, size: int, share: float
) -> None:
    passages = cut(document(text), word_offsets, size=size, overlap=int(size * share))
    assert bool(passages) == bool(text.strip())
    covered = [False] * len(text)
    for one in passages:
        assert text[one.start : one.end] == one.text
        assert one.id == f"os.path.join#{one.start}"
        assert (one.origin, one.document_id) == ("posixpath.py:71", "os.path.join")
        covered[one.start : one.end] = [True] * (one.end - one.start)
    assert all(seen or text[i].isspace() for i, seen in enumerate(covered))
    starts = [one.start for one in passages]
    assert starts == sorted(set(starts))
    if len(passages) > 1:
        assert all(len(word_offsets(one.text)) <= size for one in passages)


def test_a_short_document_is_one_passage_as_it_is() -> None:
    text = "Join paths.\n\n  Indented.\n"
    (only,) = cut(document(text), word_offsets, size=50, overlap=10)
    assert (only.text, only.id) == (text, "os.path.join#0")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("one two three\n\nfour. five\nsix seven eight", "one two three"),  # a paragraph
        ("one two. three\nfour. five six seven eight", "one two. three"),  # a line
        ("one two three. four five six seven eight", "one two three."),  # a sentence
        ("one two three four five six seven eight", "one two three four five"),  # a word
    ],
)
def test_the_cut_falls_at_the_best_border(text: str, first: str) -> None:
    passages = cut(document(text), word_offsets, size=5, overlap=0)
    assert passages[0].text == first


def test_neighbours_overlap_by_whole_words() -> None:
    text = " ".join(f"w{i}" for i in range(40))
    passages = cut(document(text), word_offsets, size=10, overlap=3)
    for left, right in itertools.pairwise(passages):
        shared = text[right.start : left.end].split()
        assert 1 <= len(shared) <= 3
        assert right.text.startswith(" ".join(shared))


def test_sizes_out_of_range_are_refused() -> None:
    for size, overlap in ((0, 0), (5, 5), (5, -1)):
        with pytest.raises(ValueError, match="overlap"):
            cut(document("text"), word_offsets, size=size, overlap=overlap)
