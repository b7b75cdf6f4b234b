"""Sketches: words as the regular expression sees them, sets of shingles, bands that find twins."""

from __future__ import annotations

import functools
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from luthier.data import _sketch
from luthier.data._sketch import sketch

make = functools.partial(sketch, shingle_words=3, min_words=1, bands=20, rows=4)


def _sets(texts: list[str], width: int = 3, least: int = 1) -> list[set[int]]:
    found = make(texts, shingle_words=width, min_words=least)
    ends = np.cumsum(found.counts)
    return [
        set(found.shingles[end - count : end].tolist())
        for end, count in zip(ends, found.counts, strict=True)
    ]


def _defined(text: str, width: int, least: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    if len(words) < least:
        return set()
    width = min(width, len(words))
    return {tuple(words[i : i + width]) for i in range(len(words) - width + 1)}


TEXTS = st.lists(
    st.text(st.sampled_from("ab cAé ß_-.\n\ud800文٣ ")) | st.text(max_size=12), max_size=8
)


@given(texts=TEXTS, width=st.integers(1, 5), least=st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_shingles_are_those_of_the_definition(texts: list[str], width: int, least: int) -> None:
    wanted = [_defined(text, width, least) for text in texts]
    found = _sets(texts, width, least)
    assert [len(one) for one in found] == [len(one) for one in wanted]
    names: dict[int, set[tuple[str, ...]]] = {}
    for index, one in enumerate(found):
        for other, there in zip(found, wanted, strict=True):
            assert len(one & other) == len(wanted[index] & there)
        for shingle in one:
            names.setdefault(shingle, set())
    assert len(names) == len(set().union(*wanted))


@given(texts=TEXTS)
@settings(max_examples=50, deadline=None)
def test_a_text_is_sketched_alike_in_any_company(texts: list[str]) -> None:
    together = make(texts)
    alone = [make([text]) for text in texts]
    assert together.counts.tolist() == [int(one.counts[0]) for one in alone]
    assert together.whole.tolist() == [int(one.whole[0]) for one in alone]
    assert together.bands.tolist() == [one.bands[0].tolist() for one in alone]
    assert together.shingles.tolist() == [s for one in alone for s in one.shingles.tolist()]


def test_long_texts_are_worked_on_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    long = " ".join(f"Wörd{draw.randrange(50)}" for _ in range(400))
    texts = ["a b c d", long, "", "e f g h", "x" * 3000, "i j k"]
    whole = make(texts)
    monkeypatch.setattr(_sketch, "CHUNK_CHARACTERS", 64)
    pieces = make(texts)
    assert pieces.counts.tolist() == whole.counts.tolist()
    assert pieces.shingles.tolist() == whole.shingles.tolist()


def test_bands_are_shared_as_often_as_the_theory_says() -> None:
    draw = random.Random(2)
    shared, pairs, rows = 0, 400, 4
    texts = []
    for _ in range(pairs):
        words = [str(draw.random()) for _ in range(90)]
        texts += [" ".join(words[:70]), " ".join(words[20:])]  # 48 of 88 shingles of three words
    similarity = np.mean(
        [len(a & b) / len(a | b) for a, b in zip(*[iter(_sets(texts))] * 2, strict=True)]
    )
    bands = make(texts, rows=rows).bands
    shared = np.mean(bands[::2] == bands[1::2])
    assert shared == pytest.approx(similarity**rows, abs=0.01)


def test_no_text_and_no_word() -> None:
    for texts in ([], ["", "...", " \n"]):
        found = make(texts)
        assert found.bands.shape == (len(texts), 20)
        assert not found.counts.any()
        assert not len(found.shingles)
