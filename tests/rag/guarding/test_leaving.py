"""The watch comes before the check, and a warning before both."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from luthier.core.records import Passage
from luthier.rag.guard import Guard, GuardSpec
from luthier.rag.guarding.leaving import Leaving
from luthier.rag.support import Checker, SupportSpec

TEXT = "The bridge of a violin is cut from maple."
ROW = Passage("b#0", "b", "bridge", TEXT, "b:1", 0, len(TEXT))
SAID = f"{TEXT} [1] It is red. See https://evil.test/?q=1 now. The key is AKIAIOSFODNN7EXAMPLE."


def made(warning: str = "Careful.") -> Leaving:
    guard = Guard(GuardSpec())
    return Leaving(guard.outgoing([ROW], []), Checker(SupportSpec(), [ROW]), warning)


def test_an_answer_goes_through_all() -> None:
    leaving = made()
    mark = SupportSpec().mark
    assert leaving.whole(SAID) == (
        f"Careful.\n\n{TEXT} [1] It is red. {mark} See [link removed] now. {mark} "
        f"The key is [SECRET]. {mark}"
    )
    assert dict(leaving.notes) == {
        "calls": 0, "link": 1, "secret": 1, "unsupported": 3, "wrong numbers": 0
    }  # fmt: skip
    assert leaving.outcome == "answered"


@given(st.lists(st.integers(0, len(SAID)), max_size=8))
def test_a_stream_says_what_the_whole_says(cuts: list[int]) -> None:
    leaving = made()
    places = sorted({0, len(SAID), *cuts})
    told = [one for a, b in itertools.pairwise(places) for one in leaving.feed(SAID[a:b])]
    assert "".join(told + leaving.end()).strip() == made().whole(SAID)


def test_nothing_to_go_through() -> None:
    leaving = Leaving(None, None, "")
    assert leaving.whole(" as it is ") == " as it is "
    assert leaving.feed("x ") == ["x "]
    assert leaving.end() == []
    assert not leaving.active


def test_an_answer_of_which_nothing_is_left_is_none() -> None:
    leaving = Leaving(None, Checker(SupportSpec(unsupported="drop"), [ROW]), "")
    assert leaving.whole("It is red.") == SupportSpec().nothing_left
    assert leaving.outcome == "abstained"
