"""Runs of words from documents that a reader may not see are found in what they would read."""

from __future__ import annotations

from hypothesis import given, strategies as st

from luthier.core.records import EVERYONE, Passage
from luthier.rag.access import ANYONE, viewer
from luthier.rag.guarding.hidden import SURE, fingerprints

SECRET = "the merger with the northern makers will be announced on the third of may in the old hall"
OPEN = (
    "hide glue is made of bones and opens again when it is warmed with water by the careful maker"
)


def passage(text: str, *access: str) -> Passage:
    return Passage(f"{text[:3]}#0", text[:3], "t", text, "t:1", 0, len(text), access=access)


KNOWN = fingerprints([passage(SECRET, "board"), passage(OPEN, EVERYONE), passage("too short", "x")])


def test_who_may_see_it_reads_it_and_nobody_else() -> None:
    said = f"I hear that {SECRET.upper()}!"
    assert KNOWN.leaks(said, ANYONE)
    assert not KNOWN.leaks(said, viewer(["board"]))
    assert not KNOWN.leaks(OPEN, ANYONE)
    assert not KNOWN.leaks("", ANYONE)


@given(st.integers(0, 8), st.integers(0, 6))
def test_a_long_run_is_always_found(start: int, more: int) -> None:
    words = SECRET.split()
    part = words[start : start + SURE + more]
    if len(part) >= SURE:
        assert KNOWN.leaks(" ".join(["so", *part, "then"]), ANYONE)


def test_what_also_stands_in_an_open_passage_is_no_leak() -> None:
    both = fingerprints([passage(SECRET, "board"), passage(f"news: {SECRET}", EVERYONE)])
    assert not both.leaks(SECRET, ANYONE)
    assert not fingerprints([]).leaks(SECRET, ANYONE)
