"""Children are slices of the parents that are shown instead of them."""

from __future__ import annotations

import pytest
from chunk_checks import word_offsets
from pydantic import ValidationError

from luthier.rag.chunkers._measure import Measure
from luthier.rag.chunkers.parents import ParentChunks, parent_spans


def test_children_show_their_parents() -> None:
    text = "one two.\n\nthree four.\n\nfive six.\n\nseven eight."
    measure = Measure(text, word_offsets)
    found = [
        (text[one.start : one.end], text[slice(*one.context[-1])])
        for one in parent_spans(measure, "prose", size=3, parent_size=6)
    ]
    first, second = "one two.\n\nthree four.", "five six.\n\nseven eight."
    assert found == [
        ("one two.", first),
        ("three four.", first),
        ("five six.", second),
        ("seven eight.", second),
    ]


def test_a_parents_own_context_is_shown_with_it() -> None:
    text = "name | price\n" + "".join(f"tea{n} | {n}\n" for n in range(6))
    measure = Measure(text, word_offsets)
    last = list(parent_spans(measure, "prose", size=4, parent_size=10))[-1]
    assert text[slice(*last.context[0])] == "name | price"
    assert text[last.start : last.end] in text[slice(*last.context[-1])]


def test_parents_are_larger() -> None:
    with pytest.raises(ValidationError, match="more than"):
        ParentChunks(chunk_size=64, parent_tokens=64)
