"""What of a text may be altered, and what may not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from luthier.data.augment._pieces import (
    how_many,
    in_case_of,
    join,
    keeps_content,
    pieces,
    protected,
    replace_words,
)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("run `pip list` and ```x\ny```", ["`pip list`", "```x\ny```"]),
        ("see https://a.org/b?c=1 or mail me@a.org", ["https://a.org/b?c=1", "me@a.org"]),
        ("dear [name], {x} and <b> or ${y}", ["[name]", "{x}", "<b>", "${y}"]),
        ("say \"so it\" or “so” or 'and so' but dogs' tails", ['"so it"', "“so”", "'and so'"]),
        ("pay $20,000 at 7am, 3.5 % or 1/2 of x86", ["$20,000", "7am", "3.5", "1/2", "x86"]),
        ("call os.path.join, my_name and f() in a/b", ["os.path.join", "my_name", "f()", "a/b"]),
        ("Ask John or NASA about iPads. Please", ["John", "NASA", "iPads"]),
        ("it's not what I don't want", ["not", "don't"]),
        ("He ate one-half of the third, twice", ["one-half", "third", "twice"]),
        ("Ask Mr. Sam or Dr. Day. Thanks", ["Mr", "Sam", "Dr", "Day"]),
        ("well-known words aren’t cut", ["aren’t"]),
    ],
)  # fmt: skip
def test_spans_that_stay(text: str, spans: list[str]) -> None:
    assert protected(text) == spans


def test_words_of_the_user_stay_too() -> None:
    assert protected("ask the Luthier", {"ask", "luthier"}) == ["ask", "Luthier"]


@given(st.text())
def test_the_pieces_are_the_text(text: str) -> None:
    assert join(pieces(text)) == text


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("send 5 to John", "please send 5 to John", True),
        ("send 5 to John", "send 6 to John", False),
        ("send 5 to John", "send 55 to John", False),
        ("send 5 to John", "send 5 and 5 to John", False),
        ("so send 5 to John", "so send 5 to Mary", False),
        ("run `a b`", "run `a c`", False),
        ("do not pay", "don't pay", True),
        ("do not pay", "do pay", False),
        ("take a note", "take a not", False),
        ("the second of two", "the last of two", False),
        ("take a few", "take a few twice", False),
    ],
)
def test_key_content(old: str, new: str, kept: bool) -> None:
    assert keeps_content(old, new) is kept


@pytest.mark.parametrize("run", ["a", "a.", "_", "a+", "5", "5.", '"', "A a", "`"])
def test_long_runs_take_no_longer_than_they_must(run: str) -> None:
    text = run * (100_000 // len(run)) + "!"
    started = time.process_time()
    assert join(pieces(text)) == text
    assert time.process_time() - started < 5  # quadratic ones take minutes


def test_replacing_keeps_case_and_gaps() -> None:
    cut = pieces("Big dogs, big cats")
    assert replace_words(cut, lambda _: "small", [0, 4]) == "Small dogs, small cats"
    assert replace_words(cut, lambda _: None, [0]) == "Big dogs, big cats"
    assert in_case_of("Word", "other") == "Other"


def test_at_least_one_word_and_never_more_than_all() -> None:
    assert [how_many(n, 0.2) for n in (1, 4, 10)] == [1, 1, 2]
    assert how_many(3, 1.0) == 3
