"""Sentences leave an answer only when a passage bears them out, or marked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from luthier.core.records import Passage
from luthier.rag.support import Checker, Judge, SupportSpec, check


def passage(name: str, text: str) -> Passage:
    return Passage(f"{name}#0", name, name, text, f"{name}.txt:1", 0, len(text))


BRIDGE = passage(
    "bridge",
    "The bridge of a violin is held by the pressure of four strings alone. It is cut from maple "
    "and is about 33 mm high. It is never glued. Stradivari worked in Cremona until 1737.",
)
POST = passage("sound post", "The sound post stands inside the body. It is cut from spruce.")
BOTH = [BRIDGE, POST]
KEEP, MARK, DROP = (SupportSpec(unsupported=p) for p in ("keep", "mark", "drop"))


@pytest.mark.parametrize(
    ("claim", "held"),
    [
        ("The bridge is held by the pressure of the four strings.", True),
        ("The bridge of a violin is held by pressure of 4 strings alone.", True),
        ("The bridge is held by the pressure of five strings.", False),
        ("The bridge is about 35 mm high.", False),
        ("The bridge is cut from maple.", True),
        ("The bridge is not cut from maple.", False),
        ("The bridge is glued.", False),
        ("The bridge is never glued.", True),
        ("Stradivari worked in Cremona until 1737.", True),
        ("Amati worked in Cremona until 1737.", False),
        ("Stradivari worked in Brescia until 1737.", False),
        ("The sound post is cut from spruce.", True),
        ("The weather was fine in autumn.", False),
    ],
)
def test_numbers_names_and_denials_are_strict(claim: str, held: bool) -> None:
    _, (sentence,), cited = check(claim, BOTH, KEEP)
    assert sentence.supported is held, sentence
    assert bool(cited) is held
    assert bool(sentence.why) is not held


@pytest.mark.parametrize(
    ("answer", "question", "held"),
    [
        ("maple", "From which wood is the bridge of a violin cut?", True),
        ("33 mm", "How high is it when it is cut from maple?", True),
        ("1737", "How high is it when it is cut from maple?", False),
        ("Stradivari", "How high is it when it is cut from maple?", False),
        ("spruce", "From which wood is the bridge of a violin cut?", False),
        ("oak", "From which wood is the bridge of a violin cut?", False),
        ("maple", "", True),
    ],
)
def test_short_answers_are_read_with_their_question(answer: str, question: str, held: bool) -> None:
    _, (sentence,), _ = check(answer, [BRIDGE], KEEP, question)
    assert sentence.supported is held, sentence


SAID = "The bridge is cut from maple. [1, 2] It is 40 mm high. The post is of spruce [2]. Clear?"


def test_policies() -> None:
    kept, sentences, cited = check(SAID, BOTH, KEEP)
    assert (
        kept
        == "The bridge is cut from maple. [1] It is 40 mm high. The post is of spruce [2]. Clear?"
    )
    assert [s.supported for s in sentences] == [True, False, True, None]
    assert [s.numbers_removed for s in sentences] == [1, 0, 0, 0]
    assert cited == ("bridge#0", "sound post#0")
    assert check(SAID, BOTH, MARK)[0] == kept.replace("high.", "high. [not in the documents]")
    assert check(SAID, BOTH, DROP)[0] == kept.replace("It is 40 mm high. ", "")


def test_where_nothing_is_left_that_is_said() -> None:
    text, _, cited = check("It is 40 mm high. It is glued.", BOTH, DROP)
    assert (text, cited) == ("This is not in the documents.", ())
    assert check("", BOTH, DROP)[0] == ""
    assert check("The bridge is cut from maple.", [], DROP)[0] == "This is not in the documents."


def test_what_claims_nothing_is_let_through() -> None:
    refusal = "I cannot find this."
    text, (sentence,), _ = check(refusal, BOTH, DROP, free=[refusal])
    assert (text, sentence.supported) == (refusal, None)


def test_numbers_can_be_written() -> None:
    spec = SupportSpec(number=True)
    said = "The bridge is cut from maple. The sound post is cut from spruce [2]."
    told = "The bridge is cut from maple. [1] The sound post is cut from spruce [2]."
    assert check(said, BOTH, spec)[0] == told


@pytest.mark.parametrize("number", ["[0]", "[3]", "[99]", "[2]"])
def test_wrong_numbers_are_removed(number: str) -> None:
    text, (one,), _ = check(f"The bridge is cut from maple {number}.", BOTH, KEEP)
    assert (text, one.numbers_removed) == ("The bridge is cut from maple.", 1)


def test_brackets_of_code_stay() -> None:
    code = passage("sys", "The script's name is argv[0] and its first option is argv[1].")
    for said in ("The first option is argv[1].", "Its first option is `a [7]`."):
        assert check(said, [code], KEEP)[0] == said


def test_a_judge_is_asked_where_nothing_strict_disagrees() -> None:
    asked: list[tuple[str, str]] = []

    def score(pairs: Sequence[tuple[str, str]]) -> list[float]:
        asked.extend(pairs)
        return [0.9 if "pressure" in place else 0.1 for _, place in pairs]

    judge = Judge(score, 0.5)
    free_words = "String tension keeps that small part upright."
    assert check(free_words, BOTH, KEEP, judge=judge)[2] == ("bridge#0",)
    assert check(free_words, BOTH, KEEP)[2] == ()
    asked.clear()
    assert check("String tension keeps 9 parts upright.", BOTH, KEEP, judge=judge)[2] == ()
    assert asked == []


@given(st.lists(st.integers(0, len(SAID)), max_size=8), st.sampled_from([KEEP, MARK, DROP]))
def test_a_stream_says_what_the_whole_says(cuts: list[int], spec: SupportSpec) -> None:
    checker = Checker(spec, BOTH)
    places = sorted({0, len(SAID), *cuts})
    told = "".join(checker.feed(SAID[a:b]) for a, b in itertools.pairwise(places))
    assert told + checker.end() == check(SAID, BOTH, spec)[0]


def test_a_sentence_leaves_only_when_checked() -> None:
    checker = Checker(DROP, BOTH)
    assert checker.feed("The bridge is cut from") == ""
    assert checker.feed(" maple. It") == "The bridge is cut from maple. "
    assert checker.feed(" is glued. It rains") == ""
    assert checker.end() == ""
