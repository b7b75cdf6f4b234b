"""Where sentences end, and where they do not."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, strategies as st

from luthier.data.augment._sentence_ends import sentence_ends


def _cut(text: str) -> list[str]:
    edges = [0, *sentence_ends(text), len(text)]
    return [text[a:b].strip() for a, b in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    "text",
    [
        'One two. Three!|Four?|He said "no."|Then he left...|Yes',
        "Mr. and Mrs. Hall met Dr. E. Moss Jr. at St. Paul.|They ate",
        "Use fruit, e.g. plums, i.e. two vs. three.|Done",
        "It is 7.30 in the U.S. army at 5 p.m. today.|Go",
        "He lives in the U.S.|He works at 5 p.m.|The end",
        "Call no. 7 of them.|Is it so? No.|It is",
        "Cats, dogs, etc.|Birds too",
        "You and I.|We two",
        "a line\n|another",
    ],
)
def test_ends(text: str) -> None:
    wanted = [one.strip() for part in text.split("|") for one in _known(part)]
    assert _cut(text.replace("|", " ")) == wanted


def _known(part: str) -> list[str]:
    """Parts above that hold two plain sentences."""
    for sign in ("One two.", "Is it so?"):
        if part.startswith(sign):
            return [sign, part.removeprefix(sign)]
    return [part]


@given(st.text(alphabet='ab .!?\n"AU'))
def test_ends_stand_in_order_within_the_text(text: str) -> None:
    ends = sentence_ends(text)
    assert ends == sorted(set(ends))
    assert all(0 < end <= len(text) for end in ends)
    assert "".join(_cut(text)).replace(" ", "") == "".join(text.split()).replace(" ", "")


def test_a_stretch_has_the_ends_that_the_text_has_there() -> None:
    text = "A cat. A dog. A cow."
    assert sentence_ends(text) == [6, 13]
    assert sentence_ends(text, 7, 14) == [13]
    assert sentence_ends(text, 7, 12) == []


def test_long_texts_take_no_longer_than_they_must() -> None:
    started = time.process_time()
    assert len(sentence_ends("a. " * 100_000)) > 0
    sentence_ends("a." * 100_000 + " b")
    assert time.process_time() - started < 5
